"""The ways from one phase or stage to another: what changes in the state, and what must be done."""

from dataclasses import replace

from control.rollout.decisions import Action, Event, Promote, Restore, SetTraffic, Step
from control.rollout.judgements import Verdict
from control.rollout.model import Cause, Ending, Phase, Plan, StageEnd, State

Verdicts = tuple[Verdict, ...]


def go_on(plan: Plan, state: State, to: int, event: Event, verdicts: Verdicts) -> Step:
    if to < len(plan.stages):
        return enter(plan, state, to, event, verdicts)
    if plan.promotes:
        reason, action = f"{plan.candidate} is stable now", Promote()
        return finish(state, Phase.SUCCEEDED, reason, state.ended, Event.SUCCEEDED, action, verdicts)
    reason = f"{plan.candidate} was shadowed to the end; see `understudy shadow report {plan.service}`"
    return finish(state, Phase.SUCCEEDED, reason, state.ended, Event.SUCCEEDED, Restore(), verdicts)


def enter(plan: Plan, state: State, to: int, event: Event, verdicts: Verdicts) -> Step:
    reason = f"stage {plan.stages[to].name}: waiting for ACKs"
    entered = State(
        Phase.PROGRESSING, reason, to, after=state.after, ended=state.ended, ticked_at=state.ticked_at
    )
    return Step(entered, event, (SetTraffic(to),), verdicts)


def pause(state: State, cause: Cause, reason: str, verdicts: Verdicts) -> Step:
    return Step(replace(state, phase=Phase.PAUSED, cause=cause, reason=reason), Event.PAUSED, (), verdicts)


def roll_back(state: State, reason: str, verdicts: Verdicts) -> Step:
    ended = (*state.ended, StageEnd(Ending.FAILED, state.elapsed))
    return finish(state, Phase.ROLLED_BACK, reason, ended, Event.ROLLED_BACK, Restore(), verdicts)


def finish(
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
