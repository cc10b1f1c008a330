"""A rollout's rows as values, and back."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Row
from understudy.v1 import rollout_pb2, rollouts_pb2, service_pb2

from control.rollout.model import State
from control.rollout.records import state_from_json, state_to_json


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """One rollout as it stands. The messages are not to be changed."""

    number: int
    name: str
    service: str
    message: rollout_pb2.Rollout
    base: service_pb2.Service
    state: State
    active: bool
    version: int
    started_at: float
    ended_at: float | None
    evidence_gone: bool = False  # it is kept no longer


@dataclass(frozen=True, slots=True)
class StoredStage:
    """One stage that was reached: the first snapshot that carried it, and how it stood at its end."""

    stage: int
    epoch: int
    version: int
    started_at: float
    ended_at: float | None
    status: rollouts_pb2.StageStatus | None


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """What a transition was decided on, beside the evidence; `base` is the service as it left it."""

    inputs: dict[str, Any]
    base: service_pb2.Service


def state_values(state: State) -> dict[str, Any]:
    return {"phase": state.phase, "active": not state.phase.is_final, "state": state_to_json(state)}


def rollout_from_row(row: Row[Any]) -> StoredRollout:
    return StoredRollout(
        number=row.number,
        name=row.name,
        service=row.service,
        message=rollout_pb2.Rollout.FromString(row.message),
        base=service_pb2.Service.FromString(row.base),
        state=state_from_json(row.state),
        active=row.active,
        version=row.version,
        started_at=row.started_at,
        ended_at=row.ended_at,
        evidence_gone=row.evidence_gone,
    )


def stage_from_row(row: Row[Any]) -> StoredStage:
    return StoredStage(
        stage=row.stage,
        epoch=row.epoch,
        version=row.version,
        started_at=row.started_at,
        ended_at=row.ended_at,
        status=row.status and rollouts_pb2.StageStatus.FromString(row.status),
    )
