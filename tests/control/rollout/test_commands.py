"""What an operator may ask, and when."""

from dataclasses import replace

import pytest

from control.rollout.commands import command
from control.rollout.decisions import Command, Event, Promote, Refused, Restore, SetTraffic, Step
from control.rollout.machine import stage_state
from control.rollout.model import Cause, Ending, Phase, Plan, StageEnd, State
from tests.support.rollouts import make_plan

PLAN = make_plan()
SHADOW = State(Phase.PROGRESSING, stage=0, acked=True, elapsed=20.0)
LAST = State(Phase.PROGRESSING, stage=2, ended=(StageEnd(Ending.PASSED, 60),) * 2)


def ask(asked: Command, state: State = SHADOW, plan: Plan = PLAN) -> Step:
    found = command(plan, state, asked, 7.0)
    assert isinstance(found, Step), found
    return found


def test_promote_goes_to_the_next_stage() -> None:
    found = ask(Command.PROMOTE)
    assert (found.event, found.actions, found.state.stage) == (Event.PROMOTED, (SetTraffic(1),), 1)
    assert (found.state.acked, found.state.elapsed, found.state.ticked_at) == (False, 0, 7)
    assert found.state.ended == (StageEnd(Ending.SKIPPED, 20),)


def test_promote_full_goes_to_the_last_stage() -> None:
    found = ask(Command.PROMOTE_FULL)
    assert (found.actions, found.state.stage) == ((SetTraffic(2),), 2)
    assert found.state.ended == (StageEnd(Ending.SKIPPED, 20), StageEnd(Ending.SKIPPED, 0))


@pytest.mark.parametrize("asked", [Command.PROMOTE, Command.PROMOTE_FULL])
def test_promoting_the_last_stage_promotes_the_candidate(asked: Command) -> None:
    found = ask(asked, LAST)
    assert (found.event, found.actions, found.state.phase) == (Event.SUCCEEDED, (Promote(),), Phase.SUCCEEDED)
    assert stage_state(found.state, 2) == "skipped"


def test_promoting_a_shadow_ends_it_without_traffic() -> None:
    plan = replace(PLAN, stages=PLAN.stages[:1], promotes=False)
    found = ask(Command.PROMOTE, plan=plan)
    assert (found.state.phase, found.actions) == (Phase.SUCCEEDED, (Restore(),))
    succeeded = found.state
    assert command(plan, succeeded, Command.UNDO, 0) == Refused(
        "the rollout left traffic as it was: there is nothing to undo"
    )


def test_promoting_past_a_failure_keeps_it_on_record() -> None:
    failed = State(Phase.PAUSED, stage=0, acked=True, elapsed=60.0, cause=Cause.FAILED)
    found = ask(Command.PROMOTE, failed)
    assert found.state.ended == (StageEnd(Ending.FAILED, 60),)
    assert (found.state.phase, found.state.cause) == (Phase.PROGRESSING, None)


def test_pause_and_resume_keep_the_clock_where_it_stood() -> None:
    paused = ask(Command.PAUSE)
    assert (paused.event, paused.actions, paused.state.elapsed) == (Event.PAUSED, (), 20)
    assert paused.state.reason == "stage shadow: paused by an operator"
    resumed = ask(Command.RESUME, paused.state)
    assert (resumed.event, resumed.state.elapsed, resumed.state.since) == (Event.RESUMED, 20, 0)
    assert (resumed.state.phase, resumed.state.cause) == (Phase.PROGRESSING, None)


@pytest.mark.parametrize("state", [State(), SHADOW, State(Phase.PAUSED, cause=Cause.OPERATOR)])
def test_abort_brings_the_service_back(state: State) -> None:
    found = ask(Command.ABORT, state)
    assert (found.event, found.actions, found.state.phase) == (Event.ABORTED, (Restore(),), Phase.ABORTED)
    assert stage_state(found.state, 0) == "skipped"


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.ABORTED])
def test_retry_starts_from_nothing(phase: Phase) -> None:
    found = ask(Command.RETRY, State(phase, stage=1, elapsed=9.0, ended=LAST.ended))
    assert found.event is Event.RETRIED
    assert found.state == State(reason="retried by an operator", ticked_at=7)


def test_undo_brings_back_what_was_before() -> None:
    found = ask(Command.UNDO, State(Phase.SUCCEEDED, stage=2))
    assert (found.event, found.actions, found.state.phase) == (Event.UNDONE, (Restore(),), Phase.ROLLED_BACK)
    assert found.state.reason == "undone by an operator: back to v1"


TAKEN = {
    Phase.PENDING: {Command.ABORT, Command.SUPERSEDE},
    Phase.PROGRESSING: {
        Command.PROMOTE,
        Command.PROMOTE_FULL,
        Command.PAUSE,
        Command.ABORT,
        Command.SUPERSEDE,
    },
    Phase.PAUSED: {Command.PROMOTE, Command.PROMOTE_FULL, Command.RESUME, Command.ABORT, Command.SUPERSEDE},
    Phase.SUCCEEDED: {Command.UNDO},
    Phase.ROLLED_BACK: {Command.RETRY},
    Phase.ABORTED: {Command.RETRY},
}


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("asked", list(Command))
def test_which_phase_takes_which_command(phase: Phase, asked: Command) -> None:
    found = command(PLAN, State(phase, cause=Cause.OPERATOR if phase is Phase.PAUSED else None), asked, 0)
    assert isinstance(found, Step) == (asked in TAKEN[phase])
    if isinstance(found, Refused):
        assert phase in found.reason
