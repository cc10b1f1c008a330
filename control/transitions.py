"""From what the machine decided to what is written: the audit row, what comes into force, what is told.

Nothing here touches anything; the store writes all of a Change or nothing.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from understudy.checks.control import EVENTS
from understudy.v1 import control_pb2, rollouts_pb2, service_pb2

from control.delivery.fleet import Snapshot
from control.rollout.decisions import Event, Promote, Restore, SetTraffic, Step
from control.rollout.evidence import arm_figures
from control.rollout.inputs import Inputs, inputs_to_json
from control.rollout.model import Observation, Phase, Plan
from control.rollout.snapshots import latency_bounds
from control.rollout.traffic import in_force
from control.status.rollouts import criteria, stage_now
from control.store.changes import Change, InForce
from control.store.outbox import Letter
from control.store.records import StoredRollout
from control.times import to_timestamp

MAX_BY = 200
"""Characters kept of who asked: it is the client's to say."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A rollout before a step, and what was seen of it. `stored.state` has the clock of this process."""

    stored: StoredRollout
    plan: Plan
    first: Snapshot | None = None  # that carried the current stage; None before there was any
    observation: Observation = Observation()  # noqa: RUF009 - it is frozen
    arrival: int = 0  # the newest evidence in it


def change_of(
    standing: Standing,
    step: Step,
    event: Event,
    *,
    actor: str,
    now: float,
    epoch: int,
    by: str = "",
    notify: Iterable[control_pb2.Notify] = (),
    rebase: service_pb2.Service | None = None,
    inputs: Inputs | None = None,
) -> Change:
    """The transition that a step is. `rebase` is the service as a retry finds it."""
    stored, plan, before = standing.stored, standing.plan, standing.stored.state
    enters = next((action.stage for action in step.actions if isinstance(action, SetTraffic)), None)
    leaves = len(step.state.ended) > len(before.ended)
    transition = transition_of(standing, step, event, actor, now)
    transition.by = by[:MAX_BY]
    return Change(
        rollout=stored.name,
        expected=stored.version,
        state=step.state,
        now=now,
        epoch=epoch,
        transition=transition,
        arrival=standing.arrival,
        in_force=_in_force(standing, step, event),
        enters=enters,
        ends=stage_now(plan, before, standing.observation, step.verdicts) if leaves else None,
        restarts=event is Event.RETRIED,
        rebase=rebase,
        inputs=inputs_to_json(inputs) if inputs else None,
        retire_at=now + plan.keep_old if event is Event.SUCCEEDED and plan.keep_old is not None else None,
        letters=list(_letters(plan, transition, enters, [*stored.message.notify, *notify])),
    )


def transition_of(
    standing: Standing, step: Step, event: Event, actor: str, now: float
) -> rollouts_pb2.Transition:
    """The audit row, without its place and who asked."""
    before, span = standing.stored.state, standing.observation.span
    return rollouts_pb2.Transition(
        time=to_timestamp(now),
        actor=actor,
        event=event,
        from_phase=before.phase,
        to_phase=step.state.phase,
        from_stage=before.stage,
        to_stage=step.state.stage,
        reason=step.state.reason,
        criteria=criteria(step.verdicts),
        arms=arm_figures(standing.plan, standing.observation) if standing.first else [],
        evidence_from=to_timestamp(span[0]) if span else None,
        evidence_until=to_timestamp(span[1]) if span else None,
        arrival=standing.arrival,
        unconfirmed=standing.observation.unconfirmed,
    )


def _in_force(standing: Standing, step: Step, event: Event) -> InForce | None:
    """What is pushed; with `base` where it changes the service beyond the rollout's end."""
    for action in step.actions:
        service = in_force(standing.stored.base, standing.plan, step.state)
        match action:
            case SetTraffic():
                return InForce(service, standing.stored.name, latency_bounds(standing.plan))
            case Promote():
                return InForce(service, base=service)
            case Restore():
                return InForce(service, base=service if event is Event.UNDONE else None)
            case _:
                assert_never(action)
    return None


def _letters(
    plan: Plan,
    transition: rollouts_pb2.Transition,
    enters: int | None,
    notify: Iterable[control_pb2.Notify],
) -> Iterator[Letter]:
    """One for each address and each event that it wants to hear of."""
    happened = set()
    if transition.from_phase != transition.to_phase:
        happened.add("phase")
    if enters is not None:
        happened.add("stage")
    if transition.to_phase == Phase.ROLLED_BACK:
        happened.add("rollback")
    wanted = {(each.url, event) for each in notify for event in (each.events or EVENTS)}
    for url, event in sorted(wanted):
        if event in happened:
            yield Letter(url, event, _body(plan, transition, event))


def _body(plan: Plan, transition: rollouts_pb2.Transition, event: str) -> str:
    return json.dumps(
        {
            "event": event,
            "rollout": plan.name,
            "service": plan.service,
            "phase": transition.to_phase,
            "from_phase": transition.from_phase,
            "stage": plan.stages[transition.to_stage].name,
            "stage_index": transition.to_stage,
            "reason": transition.reason,
            "time": transition.time.ToJsonString(),
        }
    )
