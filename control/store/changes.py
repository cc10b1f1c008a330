"""One transition of a rollout, written whole: its state, its snapshot, its audit row, what is to be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import rollouts_pb2, service_pb2

from control.rollout.model import State
from control.store.errors import Conflict
from control.store.outbox import Letter, post
from control.store.records import StoredRollout, rollout_from_row, state_values
from control.store.schema import decisions, rollouts, services, stages, transitions
from control.store.services import StoredService, find_service, forget_switch, put_in_force


@dataclass(frozen=True, slots=True)
class InForce:
    """What a transition puts in force; `base`, where it changes the service for good."""

    service: service_pb2.Service
    rollout: str = ""
    latency_bounds: tuple[float, ...] = ()
    base: service_pb2.Service | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A transition as it is written: all of it or nothing."""

    rollout: str
    expected: int  # the version it was decided on
    state: State
    now: float
    epoch: int  # of this process
    transition: rollouts_pb2.Transition  # its sequence and snapshot are filled in by the store
    arrival: int = 0  # the newest evidence it was decided on
    inputs: dict[str, Any] | None = None  # what else it was decided on, to be decided again
    in_force: InForce | None = None
    enters: int | None = None  # the stage whose first snapshot this is
    ends: rollouts_pb2.StageStatus | None = None  # the stage left, as of now
    restarts: bool = False  # forget the stages: they begin again
    rebase: service_pb2.Service | None = None  # the service before the rollout, taken anew
    letters: Sequence[Letter] = ()
    retire_at: float | None = None  # when the old variant leaves the configuration


@dataclass(frozen=True, slots=True)
class Advanced:
    """What is there after a transition."""

    rollout: StoredRollout
    service: StoredService


async def find_rollout(connection: AsyncConnection, name: str) -> StoredRollout | None:
    row = (await connection.execute(select(rollouts).where(rollouts.c.name == name))).one_or_none()
    return rollout_from_row(row) if row else None


async def require_rollout(connection: AsyncConnection, name: str) -> StoredRollout:
    found = await find_rollout(connection, name)
    if found is None:
        raise Conflict(f"rollout {name} is not there")
    return found


async def advance_rollout(connection: AsyncConnection, change: Change) -> Advanced:
    """Inside a transaction: write all of a transition, if nobody made one since it was decided on."""
    statement = update(rollouts).where(
        rollouts.c.name == change.rollout, rollouts.c.version == change.expected
    )
    ended = change.now if change.state.phase.is_final else None
    values = state_values(change.state) | {"version": change.expected + 1, "ended_at": ended}
    values["retire_at"] = change.retire_at
    if change.rebase is not None:
        values["base"] = change.rebase.SerializeToString(deterministic=True)
    if (await connection.execute(statement.values(values))).rowcount != 1:
        raise Conflict(f"rollout {change.rollout} made another transition meanwhile")
    stored = await require_rollout(connection, change.rollout)
    version = await _bring_into_force(connection, stored.service, change)
    await _write_stages(connection, change, version)
    sequence = await _write_transition(connection, change, version)
    for letter in change.letters:
        await post(connection, letter, f"{change.rollout}/{sequence}/{letter.event}", change.now)
    service = await find_service(connection, stored.service)
    if service is None:
        raise AssertionError("a rollout's service is there: a foreign key says so")
    return Advanced(stored, service)


async def _bring_into_force(connection: AsyncConnection, service: str, change: Change) -> int:
    wanted = change.in_force
    if wanted is None:
        query = select(services.c.version).where(services.c.name == service)
        return int((await connection.execute(query)).scalar_one())
    if wanted.base is not None:
        await forget_switch(connection, service)
    return await put_in_force(
        connection,
        wanted.service,
        change.now,
        base=wanted.base,
        rollout=wanted.rollout,
        latency_bounds=wanted.latency_bounds,
    )


async def _write_stages(connection: AsyncConnection, change: Change, version: int) -> None:
    mine = stages.c.rollout == change.rollout
    if change.ends is not None:
        status = change.ends.SerializeToString(deterministic=True)
        statement = update(stages).where(mine, stages.c.ended_at.is_(None))
        await connection.execute(statement.values(ended_at=change.now, status=status))
    if change.restarts:
        await connection.execute(delete(stages).where(mine))
    if change.enters is not None:
        row = {"rollout": change.rollout, "stage": change.enters, "started_at": change.now}
        row |= {"epoch": change.epoch, "version": version}
        await connection.execute(insert(stages).values(row))


async def _write_transition(connection: AsyncConnection, change: Change, version: int) -> int:
    query = select(func.max(transitions.c.sequence)).where(transitions.c.rollout == change.rollout)
    sequence = int((await connection.execute(query)).scalar_one() or 0) + 1
    message = rollouts_pb2.Transition()
    message.CopyFrom(change.transition)
    message.sequence, message.epoch, message.version = sequence, change.epoch, version
    await connection.execute(
        insert(transitions).values(
            rollout=change.rollout,
            sequence=sequence,
            time=change.now,
            arrival=change.arrival,
            message=message.SerializeToString(deterministic=True),
        )
    )
    if change.inputs is not None:
        base = await connection.execute(select(rollouts.c.base).where(rollouts.c.name == change.rollout))
        row = {"rollout": change.rollout, "sequence": sequence, "inputs": change.inputs}
        await connection.execute(insert(decisions).values(row | {"base": base.scalar_one()}))
    return sequence
