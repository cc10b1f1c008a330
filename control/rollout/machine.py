"""What a rollout does next by itself, as time and evidence come in.

    Pending ─▶ Progressing ─────────────────────────────▶ Succeeded ──undo──▶ RolledBack
                  │    ▲  each stage: ACKs ─▶ bake ─▶ verdict
             pause│    │resume, promote                   RolledBack, Aborted ──retry──▶ Pending
                  ▼    │
                Paused ────────────────────────────────▶ RolledBack (a verdict) · Aborted (an operator)

A stage's clock starts when enough sidecars have ACKed its snapshot, and runs while at least one has it. By
gate `sequential` a criterion that is proven failed rolls back at once, in mid-bake and while an operator has
paused alike; by gate `threshold` every criterion is judged once, at the end of the bake. A stage that cannot
be judged holds, and nothing but a command goes on without evidence. A final phase is left by a command only;
`commands` has those.
"""

import math
from dataclasses import replace

from control.rollout.commands import command
from control.rollout.decisions import Event, Step
from control.rollout.judgements import Outcome, Verdict
from control.rollout.model import (
    Cause,
    Ending,
    Gate,
    Observation,
    Phase,
    Plan,
    Settings,
    Stage,
    StageEnd,
    State,
)
from control.rollout.sample_ratio import mismatch
from control.rollout.transitions import enter, go_on, pause, roll_back
from control.rollout.verdicts import failing_arms, judge_all, short_arms, unproven

__all__ = ["command", "stage_elapsed", "stage_state", "step"]

Verdicts = tuple[Verdict, ...]

FULL = 100.0
"""Percent."""

SHOWN = 5
"""Nodes of a fleet that a reason names."""


def step(plan: Plan, state: State, observation: Observation, settings: Settings, now: float) -> Step:
    """One look at a rollout. `now` is a monotonic clock's; `observation` is of the current stage."""
    match state.phase:
        case Phase.PENDING:
            return enter(plan, replace(state, ticked_at=now), 0, Event.STARTED, ())
        case Phase.PROGRESSING:
            return _progress(plan, _tick(state, observation, settings, now), observation, settings)
        case Phase.PAUSED:
            return _watch(plan, replace(state, ticked_at=now), observation)
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.ABORTED:
            return Step(replace(state, ticked_at=now))


def _watch(plan: Plan, state: State, observation: Observation) -> Step:
    """The clock stands still, callers do not: what fails now is not left to them until somebody looks."""
    stage = plan.stages[state.stage]
    verdicts = judge_all(plan, stage, observation) if state.acked else ()
    if state.cause is not Cause.FAILED and _is_lost(plan, verdicts):
        return _fail(plan, state, stage, verdicts)
    return Step(state, verdicts=verdicts)


def _tick(state: State, observation: Observation, settings: Settings, now: float) -> State:
    """Time that passed since the last step, as far as it is plausible; none after a restart."""
    passed = 0.0 if state.ticked_at is None else min(max(0.0, now - state.ticked_at), settings.longest_tick)
    if not state.acked:
        return replace(state, waited=state.waited + passed, ticked_at=now)
    if observation.acked < 1:
        return replace(state, ticked_at=now)
    return replace(state, elapsed=state.elapsed + passed, ticked_at=now)


def _progress(plan: Plan, state: State, observation: Observation, settings: Settings) -> Step:
    stage = plan.stages[state.stage]
    if not state.acked:
        missing = _unconfirmed(observation, settings)
        if missing and state.waited >= settings.ack_timeout:
            reason = f"stage {stage.name}: no ACK within {settings.ack_timeout:g}s: {missing}"
            return pause(state, Cause.ACKS, reason, ())
        if missing:
            return Step(replace(state, reason=f"stage {stage.name}: waiting for ACKs: {missing}"))
        state = replace(state, acked=True, reason=f"stage {stage.name}: baking")
    if stage.bake <= 0 and not _dead(observation, settings):
        return _pass(plan, state, stage, ())
    verdicts = judge_all(plan, stage, observation)
    if _is_lost(plan, verdicts):
        return _fail(plan, state, stage, verdicts)
    if state.elapsed - state.since < stage.bake and not _wrong_split(plan, stage, observation):
        return Step(state, verdicts=verdicts)
    return _decide(plan, state, stage, observation, verdicts, _dead(observation, settings))


def _unconfirmed(observation: Observation, settings: Settings) -> str:
    """Why the stage's clock must not start yet; empty where it may."""
    if observation.connected < 1:
        return "no sidecar is connected"
    needed = _needed(observation, settings)
    if observation.acked >= needed:
        return ""
    names = f": {', '.join(observation.unconfirmed)}" if observation.unconfirmed else ""
    return f"{observation.acked} of {observation.connected} sidecars have it, {needed} must{names}"


def _needed(observation: Observation, settings: Settings) -> int:
    """So many sidecars must have a stage's snapshot, and reach its candidate."""
    return max(1, math.ceil(round(settings.min_acked * observation.connected, 9)))


def _decide(
    plan: Plan, state: State, stage: Stage, observation: Observation, verdicts: Verdicts, dead: str
) -> Step:
    """The bake is over, or no use: go on, hold, stop or go back."""
    if wrong := _wrong_split(plan, stage, observation):
        reason = f"stage {stage.name}: sample ratio mismatch: {wrong}"
        return pause(state, Cause.SAMPLE_RATIO, reason, verdicts)
    if _failed(verdicts):
        return _fail(plan, state, stage, verdicts)
    unclear = [f"{each.require} ({each.detail})" for each in unproven(plan, stage, verdicts)]
    unclear += short_arms(plan, stage, observation)
    unclear += failing_arms(plan, stage, observation)
    unclear += [dead] if dead else []
    if not unclear:
        return _pass(plan, state, stage, verdicts)
    reason = f"stage {stage.name}: inconclusive: {'; '.join(unclear)}"
    if plan.on_inconclusive == "rollback":
        return roll_back(state, reason, verdicts)
    if plan.on_inconclusive == "hold" and state.elapsed - state.since < stage.max_bake:
        return Step(replace(state, reason=reason), verdicts=verdicts)
    return pause(state, Cause.INCONCLUSIVE, reason, verdicts)


def _dead(observation: Observation, settings: Settings) -> str:
    """Whatever was seen before: nobody more is sent to a candidate that is not there."""
    dead = observation.dead
    if not dead or observation.connected - len(dead) >= _needed(observation, settings):
        return ""
    more = f" and {len(dead) - SHOWN} more" if len(dead) > SHOWN else ""
    return f"the candidate is not live at {', '.join(dead[:SHOWN])}{more}"


def _wrong_split(plan: Plan, stage: Stage, observation: Observation) -> str:
    if not plan.checks_split:
        return ""
    tested = sum(0 < each.percent < FULL for each in plan.stages)
    return mismatch(observation.split, stage.percent / FULL, tested)


def _failed(verdicts: Verdicts) -> Verdicts:
    return tuple(each for each in verdicts if each.outcome is Outcome.FAIL)


def _is_lost(plan: Plan, verdicts: Verdicts) -> bool:
    """Something failed, and not only by what was measured so far: the end of the bake would not change it."""
    return any(plan.gate is Gate.SEQUENTIAL or each.is_final for each in _failed(verdicts))


def _fail(plan: Plan, state: State, stage: Stage, verdicts: Verdicts) -> Step:
    failed = "; ".join(f"{each.require} ({each.detail})" for each in _failed(verdicts))
    reason = f"stage {stage.name}: failed: {failed}"
    if plan.on_fail == "pause":
        return pause(state, Cause.FAILED, reason, verdicts)
    return roll_back(state, reason, verdicts)


def _pass(plan: Plan, state: State, stage: Stage, verdicts: Verdicts) -> Step:
    if stage.pause:
        return pause(state, Cause.STAGE, f"stage {stage.name}: waits for promote", verdicts)
    ended = (*state.ended, StageEnd(Ending.PASSED, state.elapsed))
    return go_on(plan, replace(state, ended=ended), state.stage + 1, Event.STAGE, verdicts)


def stage_state(state: State, index: int) -> str:
    """How a stage stands: pending, waiting (for ACKs), baking, paused, passed, failed, skipped."""
    if index < len(state.ended):
        return state.ended[index].ending
    if state.phase.is_final:
        return Ending.SKIPPED
    if index != state.stage or state.phase is Phase.PENDING:
        return "pending"
    if state.phase is Phase.PAUSED:
        return "paused"
    return "baking" if state.acked else "waiting"


def stage_elapsed(state: State, index: int) -> float:
    """The seconds that a stage has baked."""
    if index < len(state.ended):
        return state.ended[index].elapsed
    return state.elapsed if index == state.stage else 0.0
