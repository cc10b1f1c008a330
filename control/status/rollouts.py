"""One rollout as operators see it: its phase, its stages, and what was seen in each."""

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.v1 import rollout_pb2, rollouts_pb2, telemetry_pb2

from control.delivery.fleet import Sidecar, Snapshot
from control.rollout.evidence import arm_figures
from control.rollout.judgements import Outcome, Reached, Verdict
from control.rollout.machine import stage_elapsed, stage_state
from control.rollout.model import Observation, Phase, Plan, Stage, State
from control.status.sidecars import sidecar_status
from control.store.records import StoredRollout, StoredStage
from control.times import to_duration, to_seconds, to_timestamp

SHOWN = 5
"""Exemplars of each kind."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a rollout's current stage now, and what that says."""

    observation: Observation = Observation()  # noqa: RUF009 - it is frozen
    verdicts: tuple[Verdict, ...] = ()
    problem: str = ""  # why it is not being looked after, if it is not


def rollout_status(
    stored: StoredRollout,
    plan: Plan,
    stages: Sequence[StoredStage],
    sight: Sight,
    snapshot: Snapshot,
    sidecars: Sequence[Sidecar],
    epoch: int,
) -> rollouts_pb2.RolloutStatus:
    """`snapshot` carries the current stage, or what the rollout ended in; `sidecars` are those connected."""
    state = stored.state
    without = [sidecar for sidecar in sidecars if not sidecar.runs(snapshot, epoch)]
    status = rollouts_pb2.RolloutStatus(
        rollout=stored.message,
        phase=state.phase,
        reason=sight.problem or state.reason,
        stage=state.stage,
        stages=stage_statuses(plan, state, stages, sight),
        stable=plan.stable,
        stable_version=_version(stored, plan.stable),
        canary_version=_version(stored, plan.candidate),
        canary_percentage=_share(plan, state),
        epoch=snapshot[0],
        version=snapshot[1],
        acked=len(sidecars) - len(without),
        connected=len(sidecars),
        unconfirmed=[sidecar_status(sidecar) for sidecar in without],
        started_at=to_timestamp(stored.started_at),
        failing=any(verdict.outcome is Outcome.FAIL for verdict in sight.verdicts),
    )
    if stored.ended_at is not None:
        status.ended_at.CopyFrom(to_timestamp(stored.ended_at))
    return status


def foreign_status(stored: StoredRollout, problem: str) -> rollouts_pb2.RolloutStatus:
    """A rollout that another version started, by rules that are not this one's."""
    return rollouts_pb2.RolloutStatus(
        rollout=stored.message,
        phase=stored.state.phase,
        reason=f"{stored.state.reason} (started by another version: {problem})",
        stage=stored.state.stage,
        started_at=to_timestamp(stored.started_at),
    )


def stage_statuses(
    plan: Plan, state: State, stages: Sequence[StoredStage], sight: Sight
) -> list[rollouts_pb2.StageStatus]:
    """Every stage: those that are over as of their end, the current one as of now."""
    reached = {stage.stage: stage for stage in stages}
    return [_stage_status(plan, state, index, reached.get(index), sight) for index in range(len(plan.stages))]


def stage_now(
    plan: Plan, state: State, observation: Observation, verdicts: Sequence[Verdict]
) -> rollouts_pb2.StageStatus:
    """The current stage with what is seen of it."""
    return rollouts_pb2.StageStatus(
        stage=stage_message(plan.stages[state.stage]),
        kind=plan.stages[state.stage].kind,
        state=stage_state(state, state.stage),
        elapsed=to_duration(stage_elapsed(state, state.stage)),
        criteria=criteria(verdicts),
        arms=arm_figures(plan, observation),
    )


def criteria(verdicts: Sequence[Verdict]) -> list[rollouts_pb2.CriterionStatus]:
    return [
        rollouts_pb2.CriterionStatus(
            require=verdict.require,
            verdict=verdict.outcome,
            value=verdict.value,
            bound=verdict.bound,
            detail=verdict.detail,
            method=verdict.method,
            counts=[rollouts_pb2.CountedArm(arm=each.arm, n=each.n, bad=each.bad) for each in verdict.counts],
            to_fail=_reached(verdict.to_fail),
            to_pass=_reached(verdict.to_pass),
        )
        for verdict in verdicts
    ]


def _reached(test: Reached | None) -> rollouts_pb2.TestValue | None:
    return rollouts_pb2.TestValue(value=test.value, limit=test.limit) if test else None


def stage_message(stage: Stage) -> rollout_pb2.Stage:
    """A compiled stage, defaults filled in."""
    return rollout_pb2.Stage(
        name=stage.name,
        percent=stage.percent,
        mirror_percent=stage.mirror_percent,
        bake=to_duration(stage.bake),
        max_bake=to_duration(stage.max_bake),
        require=[criterion.text for criterion in stage.criteria],
        pause=stage.pause,
        advance=stage.advance if stage.bake else "",
    )


def worth_showing(found: Sequence[telemetry_pb2.Exemplar], plan: Plan) -> list[telemetry_pb2.Exemplar]:
    """Of the calls that were kept (newest first): the slowest, the last that failed or did not match."""
    mine = [one for one in found if one.route == plan.route and one.variant in (plan.stable, plan.candidate)]
    shown = sorted(
        (one for one in mine if one.kind == "slow"), key=lambda one: to_seconds(one.latency), reverse=True
    )[:SHOWN]
    for kind in ("failed", "mismatch"):
        shown += [one for one in mine if one.kind == kind][:SHOWN]
    return shown


def _stage_status(
    plan: Plan, state: State, index: int, stored: StoredStage | None, sight: Sight
) -> rollouts_pb2.StageStatus:
    stage = plan.stages[index]
    is_current = index == state.stage and not state.phase.is_final and state.phase is not Phase.PENDING
    if is_current:
        status = stage_now(plan, state, sight.observation, sight.verdicts)
    elif stored is not None and stored.status is not None:
        status = rollouts_pb2.StageStatus()
        status.CopyFrom(stored.status)
    else:
        status = rollouts_pb2.StageStatus(stage=stage_message(stage), kind=stage.kind)
    status.state = stage_state(state, index)
    status.elapsed.CopyFrom(to_duration(stage_elapsed(state, index)))
    if stored is not None:
        status.started_at.CopyFrom(to_timestamp(stored.started_at))
        if stored.ended_at is not None:
            status.ended_at.CopyFrom(to_timestamp(stored.ended_at))
    return status


def _share(plan: Plan, state: State) -> float:
    match state.phase:
        case Phase.PROGRESSING | Phase.PAUSED:
            return plan.stages[state.stage].percent
        case Phase.SUCCEEDED if plan.promotes:
            return 100.0
        case _:
            return 0.0


def _version(stored: StoredRollout, variant: str) -> str:
    return next((one.version for one in stored.base.variants if one.name == variant), "")
