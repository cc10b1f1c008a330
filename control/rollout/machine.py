"""What a rollout does next: by itself as time and evidence come in (`step`), or asked by an operator (`command`).

    Pending ─▶ Progressing ─────────────────────────────▶ Succeeded ──undo──▶ RolledBack
                  │    ▲  each stage: ACKs ─▶ bake ─▶ verdict
             pause│    │resume, promote                   RolledBack, Aborted ──retry──▶ Pending
                  ▼    │
                Paused ────────────────────────────────▶ RolledBack (a verdict) · Aborted (an operator)

A stage's clock starts when enough sidecars have ACKed its snapshot, and runs while at least one has it. At
the end of the bake every criterion is judged once; a stage that cannot be judged holds, and nothing but a
command goes on without evidence. A final phase is left by a command only.
"""

import math
from dataclasses import replace

from control.rollout.model import (
    Action,
    Cause,
    Command,
    Ending,
    Event,
    Observation,
    Outcome,
    Phase,
    Plan,
    Promote,
    Refused,
    Restore,
    Settings,
    SetTraffic,
    Stage,
    StageEnd,
    State,
    Step,
    Verdict,
)
from control.rollout.verdicts import judge_all, short_arms

Verdicts = tuple[Verdict, ...]


def step(plan: Plan, state: State, observation: Observation, settings: Settings, now: float) -> Step:
    """One look at a rollout. `now` is a monotonic clock's; `observation` is of the current stage."""
    match state.phase:
        case Phase.PENDING:
            return _enter(plan, replace(state, ticked_at=now), 0, Event.STARTED, ())
        case Phase.PROGRESSING:
            return _progress(plan, _tick(state, observation, settings, now), observation, settings)
        case Phase.PAUSED:
            verdicts = judge_all(plan, plan.stages[state.stage], observation) if state.acked else ()
            return Step(replace(state, ticked_at=now), verdicts=verdicts)
        case Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.ABORTED:
            return Step(replace(state, ticked_at=now))


def command(plan: Plan, state: State, asked: Command, now: float) -> Step | Refused:
    """What an operator's command does, or why it cannot be taken now."""
    state = replace(state, ticked_at=now)
    match asked:
        case Command.PROMOTE:
            return _promote(plan, state, state.stage + 1)
        case Command.PROMOTE_FULL:
            return _promote(plan, state, max(state.stage + 1, len(plan.stages) - 1))
        case Command.PAUSE:
            return _pause_by_hand(plan, state)
        case Command.RESUME:
            return _resume(plan, state)
        case Command.ABORT:
            if state.phase.is_final:
                return Refused(f"the rollout is {state.phase} already")
            ended = (*state.ended, StageEnd(Ending.SKIPPED, state.elapsed))
            return _finish(state, Phase.ABORTED, "aborted by an operator", ended, Event.ABORTED, Restore())
        case Command.RETRY:
            if state.phase not in (Phase.ROLLED_BACK, Phase.ABORTED):
                return Refused(f"only a rolled-back or aborted rollout is retried; this one is {state.phase}")
            return Step(State(reason="retried by an operator", ticked_at=now), Event.RETRIED)
        case Command.UNDO:
            return _undo(plan, state)


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
            return _pause(state, Cause.ACKS, reason, ())
        if missing:
            return Step(replace(state, reason=f"stage {stage.name}: waiting for ACKs: {missing}"))
        state = replace(state, acked=True, reason=f"stage {stage.name}: baking")
    if stage.bake <= 0:
        return _pass(plan, state, stage, ())
    verdicts = judge_all(plan, stage, observation)
    if state.elapsed - state.since < stage.bake:
        return Step(state, verdicts=verdicts)
    return _decide(plan, state, stage, observation, verdicts)


def _unconfirmed(observation: Observation, settings: Settings) -> str:
    """Why the stage's clock must not start yet; empty where it may."""
    if observation.connected < 1:
        return "no sidecar is connected"
    needed = max(1, math.ceil(round(settings.min_acked * observation.connected, 9)))
    if observation.acked >= needed:
        return ""
    names = f": {', '.join(observation.unconfirmed)}" if observation.unconfirmed else ""
    return f"{observation.acked} of {observation.connected} sidecars have it, {needed} must{names}"


def _decide(plan: Plan, state: State, stage: Stage, observation: Observation, verdicts: Verdicts) -> Step:
    """The bake is over: go on, hold, stop or go back."""
    failed = [f"{each.require} ({each.detail})" for each in verdicts if each.outcome is Outcome.FAIL]
    if failed:
        reason = f"stage {stage.name}: failed: {'; '.join(failed)}"
        if plan.on_fail == "pause":
            return _pause(state, Cause.FAILED, reason, verdicts)
        return _roll_back(state, reason, verdicts)
    unclear = [f"{each.require} ({each.detail})" for each in verdicts if each.outcome is Outcome.INCONCLUSIVE]
    unclear += short_arms(plan, stage, observation)
    if not unclear:
        return _pass(plan, state, stage, verdicts)
    reason = f"stage {stage.name}: inconclusive: {'; '.join(unclear)}"
    if plan.on_inconclusive == "rollback":
        return _roll_back(state, reason, verdicts)
    if plan.on_inconclusive == "hold" and state.elapsed - state.since < stage.max_bake:
        return Step(replace(state, reason=reason), verdicts=verdicts)
    return _pause(state, Cause.INCONCLUSIVE, reason, verdicts)


def _pass(plan: Plan, state: State, stage: Stage, verdicts: Verdicts) -> Step:
    if stage.pause:
        return _pause(state, Cause.STAGE, f"stage {stage.name}: waits for promote", verdicts)
    ended = (*state.ended, StageEnd(Ending.PASSED, state.elapsed))
    return _go_on(plan, replace(state, ended=ended), state.stage + 1, Event.STAGE, verdicts)


def _go_on(plan: Plan, state: State, to: int, event: Event, verdicts: Verdicts) -> Step:
    if to < len(plan.stages):
        return _enter(plan, state, to, event, verdicts)
    if plan.promotes:
        reason, action = f"{plan.candidate} is stable now", Promote()
        return _finish(state, Phase.SUCCEEDED, reason, state.ended, Event.SUCCEEDED, action, verdicts)
    reason = f"{plan.candidate} was shadowed to the end; traffic is as it was"
    return _finish(state, Phase.SUCCEEDED, reason, state.ended, Event.SUCCEEDED, Restore(), verdicts)


def _enter(plan: Plan, state: State, to: int, event: Event, verdicts: Verdicts) -> Step:
    reason = f"stage {plan.stages[to].name}: waiting for ACKs"
    entered = State(Phase.PROGRESSING, reason, to, ended=state.ended, ticked_at=state.ticked_at)
    return Step(entered, event, (SetTraffic(to),), verdicts)


def _pause(state: State, cause: Cause, reason: str, verdicts: Verdicts) -> Step:
    return Step(replace(state, phase=Phase.PAUSED, cause=cause, reason=reason), Event.PAUSED, (), verdicts)


def _roll_back(state: State, reason: str, verdicts: Verdicts) -> Step:
    ended = (*state.ended, StageEnd(Ending.FAILED, state.elapsed))
    return _finish(state, Phase.ROLLED_BACK, reason, ended, Event.ROLLED_BACK, Restore(), verdicts)


def _finish(
    state: State,
    phase: Phase,
    reason: str,
    ended: tuple[StageEnd, ...],
    event: Event,
    action: Action,
    verdicts: Verdicts = (),
) -> Step:
    final = replace(state, phase=phase, reason=reason, ended=ended, cause=None)
    return Step(final, event, (action,), verdicts)


def _promote(plan: Plan, state: State, to: int) -> Step | Refused:
    if state.phase not in (Phase.PROGRESSING, Phase.PAUSED):
        return Refused(f"only a progressing or paused rollout is promoted; this one is {state.phase}")
    match state.cause:
        case Cause.STAGE:
            ending = Ending.PASSED
        case Cause.FAILED:
            ending = Ending.FAILED
        case _:
            ending = Ending.SKIPPED
    jumped = (StageEnd(Ending.SKIPPED, 0.0),) * (to - state.stage - 1)
    ended = (*state.ended, StageEnd(ending, state.elapsed), *jumped)
    return _go_on(plan, replace(state, ended=ended), to, Event.PROMOTED, ())


def _pause_by_hand(plan: Plan, state: State) -> Step | Refused:
    if state.phase is not Phase.PROGRESSING:
        return Refused(f"only a progressing rollout is paused; this one is {state.phase}")
    reason = f"stage {plan.stages[state.stage].name}: paused by an operator"
    return _pause(state, Cause.OPERATOR, reason, ())


def _resume(plan: Plan, state: State) -> Step | Refused:
    """Where the clock stood; a pause for want of ACKs or by a verdict gets its time anew."""
    stage = plan.stages[state.stage]
    if state.phase is not Phase.PAUSED:
        return Refused(f"only a paused rollout is resumed; this one is {state.phase}")
    if state.cause is Cause.STAGE:
        return Refused(f"stage {stage.name} says `pause: true`: promote it to go on")
    resumed = replace(state, phase=Phase.PROGRESSING, cause=None, reason=f"stage {stage.name}: resumed")
    if state.cause is Cause.ACKS:
        resumed = replace(resumed, waited=0.0)
    elif state.cause in (Cause.FAILED, Cause.INCONCLUSIVE):
        resumed = replace(resumed, since=state.elapsed)
    return Step(resumed, Event.RESUMED)


def _undo(plan: Plan, state: State) -> Step | Refused:
    if state.phase is not Phase.SUCCEEDED:
        return Refused(f"only a succeeded rollout is undone; this one is {state.phase}")
    if not plan.promotes:
        return Refused("the rollout left traffic as it was: there is nothing to undo")
    reason = f"undone by an operator: back to {plan.stable}"
    return _finish(state, Phase.ROLLED_BACK, reason, state.ended, Event.UNDONE, Restore())


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
