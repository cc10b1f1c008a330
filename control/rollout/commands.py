"""What a rollout does when an operator asks: promote, pause, resume, abort, retry, undo.

A command that does not fit the phase is refused with what would fit. Promoting is the one way past a stage
that was not judged, and it says so in how that stage ended.
"""

from dataclasses import replace

from control.rollout.decisions import Command, Event, Refused, Restore, Step
from control.rollout.model import Cause, Ending, Phase, Plan, StageEnd, State
from control.rollout.transitions import finish, go_on, pause


def command(plan: Plan, state: State, asked: Command, now: float, arrival: int = 0) -> Step | Refused:
    """What the command does, or why it cannot be taken now. `now` is a monotonic clock's; `arrival` is the
    newest evidence that the operator could see.
    """
    state = replace(state, ticked_at=now)
    decided: Step | Refused
    match asked:
        case Command.PROMOTE:
            decided = _promote(plan, state, state.stage + 1)
        case Command.PROMOTE_FULL:
            decided = _promote(plan, state, max(state.stage + 1, len(plan.stages) - 1))
        case Command.PAUSE:
            decided = _pause(plan, state)
        case Command.RESUME:
            decided = _resume(plan, state, arrival)
        case Command.ABORT:
            decided = _abort(state, "aborted by an operator")
        case Command.SUPERSEDE:
            decided = _abort(state, "superseded by a newer rollout of the service")
        case Command.RETRY:
            decided = _retry(state, now)
        case Command.UNDO:
            decided = _undo(plan, state)
    return decided


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
    return go_on(plan, replace(state, ended=ended), to, Event.PROMOTED, ())


def _pause(plan: Plan, state: State) -> Step | Refused:
    if state.phase is not Phase.PROGRESSING:
        return Refused(f"only a progressing rollout is paused; this one is {state.phase}")
    reason = f"stage {plan.stages[state.stage].name}: paused by an operator"
    return pause(state, Cause.OPERATOR, reason, ())


def _resume(plan: Plan, state: State, arrival: int) -> Step | Refused:
    """Where the clock stood; a pause for want of ACKs or by a verdict gets its time anew.

    Who resumes what failed, or a split that went wrong, wants it judged again, by what comes from now on.
    """
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
    if state.cause in (Cause.FAILED, Cause.SAMPLE_RATIO):
        resumed = replace(resumed, after=max(state.after, arrival))
    return Step(resumed, Event.RESUMED)


def _abort(state: State, reason: str) -> Step | Refused:
    if state.phase.is_final:
        return Refused(f"the rollout is {state.phase} already")
    ended = (*state.ended, StageEnd(Ending.SKIPPED, state.elapsed))
    return finish(state, Phase.ABORTED, reason, ended, Event.ABORTED, Restore())


def _retry(state: State, now: float) -> Step | Refused:
    if state.phase not in (Phase.ROLLED_BACK, Phase.ABORTED):
        return Refused(f"only a rolled-back or aborted rollout is retried; this one is {state.phase}")
    return Step(State(reason="retried by an operator", ticked_at=now), Event.RETRIED)


def _undo(plan: Plan, state: State) -> Step | Refused:
    if state.phase is not Phase.SUCCEEDED:
        return Refused(f"only a succeeded rollout is undone; this one is {state.phase}")
    if not plan.promotes:
        return Refused("the rollout left traffic as it was: there is nothing to undo")
    reason = f"undone by an operator: back to {plan.stable}"
    return finish(state, Phase.ROLLED_BACK, reason, state.ended, Event.UNDONE, Restore())
