"""What a rollout does by itself: a playbook of looks, each with what it must lead to."""

import dataclasses
from typing import Any

import pytest

from control.rollout.decisions import Command, Event, Promote, Refused, Restore, SetTraffic, Step
from control.rollout.machine import command, stage_elapsed, stage_state, step
from control.rollout.model import Cause, Observation, Phase, Plan, Settings, State
from tests.support.rollouts import NOTHING, WELL, copies, live, make_plan, seen

SETTINGS = Settings(min_acked=1.0, ack_timeout=30.0)
PLAN = make_plan()
BAD = seen(live(), live(errors=500), copies(match=0, mismatch=1000))
CRITERIA = {"bake": "60s", "require": ["error_rate <= 1%"]}


class Playbook:
    """A rollout and its clock."""

    def __init__(self, plan: Plan = PLAN, settings: Settings = SETTINGS) -> None:
        self.plan = plan
        self.settings = settings
        self.state = State()
        self.now = 1000.0
        self.last = Step(self.state)

    def look(self, observation: Observation = WELL, after: float = 0.0) -> Step:
        self.now += after
        return self._take(step(self.plan, self.state, observation, self.settings, self.now))

    def bake(self, observation: Observation = WELL, seconds: float = 60.0) -> Step:
        """Look every 10 seconds for as long."""
        for _ in range(round(seconds / 10)):
            self.look(observation, after=10)
        return self.last

    def ask(self, asked: Command) -> Step:
        found = command(self.plan, self.state, asked, self.now)
        assert isinstance(found, Step), found
        return self._take(found)

    def refused(self, asked: Command) -> str:
        found = command(self.plan, self.state, asked, self.now)
        assert isinstance(found, Refused)
        return found.reason

    def restart(self) -> None:
        self.state = dataclasses.replace(self.state, ticked_at=None)
        self.now = 5.0  # another process, another clock

    def _take(self, taken: Step) -> Step:
        self.state, self.last = taken.state, taken
        return taken


def baking(plan: Plan = PLAN, **settings: Any) -> Playbook:
    """The first stage, its clock just started."""
    playbook = Playbook(plan, dataclasses.replace(SETTINGS, **settings))
    playbook.look()
    playbook.look()
    return playbook


def test_a_rollout_starts_with_its_first_stages_traffic() -> None:
    found = Playbook().look(NOTHING)
    assert (found.event, found.actions) == (Event.STARTED, (SetTraffic(0),))
    assert (found.state.phase, found.state.stage, found.state.acked) == (Phase.PROGRESSING, 0, False)


def test_the_happy_path() -> None:
    playbook = baking()
    found = playbook.bake()
    assert (found.event, found.actions, found.state.stage) == (Event.STAGE, (SetTraffic(1),), 1)
    assert [verdict.outcome for verdict in found.verdicts] == ["pass"]
    playbook.look()
    assert playbook.bake().actions == (SetTraffic(2),)
    found = playbook.look()
    assert (found.event, found.actions, found.state.phase) == (Event.SUCCEEDED, (Promote(),), Phase.SUCCEEDED)
    assert found.state.reason == "v2 is stable now"
    assert [stage_state(found.state, index) for index in range(3)] == ["passed"] * 3
    assert stage_elapsed(found.state, 0) == 60


def test_nothing_happens_before_the_bake_is_over() -> None:
    playbook = baking()
    found = playbook.bake(seconds=50)
    assert (found.event, found.actions, found.state.elapsed) == (None, (), 50)
    assert [verdict.outcome for verdict in found.verdicts] == ["pass"]


def test_a_failing_criterion_waits_for_the_end_of_the_bake() -> None:
    playbook = baking()
    assert playbook.bake(BAD, seconds=50).event is None
    assert playbook.look(BAD, after=10).event is Event.ROLLED_BACK


def test_a_failure_rolls_back_and_says_why() -> None:
    found = baking().bake(BAD)
    assert (found.state.phase, found.actions) == (Phase.ROLLED_BACK, (Restore(),))
    assert found.state.reason == (
        "stage shadow: failed: match_rate >= 95% (mirrored: 0% of 1000 calls; bound >= 95%)"
    )
    assert [stage_state(found.state, index) for index in range(3)] == ["failed", "skipped", "skipped"]


def test_a_failure_pauses_where_that_is_asked_for() -> None:
    playbook = baking(make_plan(on_fail="pause"))
    found = playbook.bake(BAD)
    assert (found.event, found.actions, found.state.cause) == (Event.PAUSED, (), Cause.FAILED)
    playbook.ask(Command.RESUME)
    assert playbook.bake(WELL, seconds=50).event is None
    assert playbook.look(WELL, after=10).event is Event.STAGE


def test_the_clock_waits_for_the_sidecars() -> None:
    playbook = Playbook()
    playbook.look()
    waiting = seen(connected=3, acked=2, unconfirmed=("node-c",))
    found = playbook.look(waiting, after=20)
    assert (found.state.acked, found.state.elapsed, found.state.waited) == (False, 0, 20)
    assert found.state.reason == ("stage shadow: waiting for ACKs: 2 of 3 sidecars have it, 3 must: node-c")
    assert stage_state(found.state, 0) == "waiting"
    assert playbook.look(seen(connected=3, acked=3), after=5).state.acked
    assert playbook.look(after=10).state.elapsed == 10


@pytest.mark.parametrize(
    ("min_acked", "connected", "acked", "enough"),
    [
        (1, 0, 0, False),
        (0, 0, 0, False),
        (0, 5, 0, False),
        (0, 5, 1, True),
        (0.5, 3, 1, False),
        (0.5, 3, 2, True),
        (0.1, 30, 2, False),
        (0.1, 30, 3, True),
        (1, 3, 2, False),
        (1, 1, 1, True),
    ],
)
def test_how_many_must_have_acked(min_acked: float, connected: int, acked: int, *, enough: bool) -> None:
    playbook = Playbook(settings=Settings(min_acked=min_acked))
    playbook.look()
    assert playbook.look(seen(connected=connected, acked=acked)).state.acked is enough


def test_waiting_too_long_pauses_and_says_for_whom() -> None:
    playbook = Playbook()
    playbook.look()
    deaf = seen(connected=2, acked=1, unconfirmed=("node-b (nack: routes[0]: bad)",))
    playbook.bake(deaf, seconds=20)
    found = playbook.look(deaf, after=10)
    assert (found.event, found.state.phase, found.state.cause) == (Event.PAUSED, Phase.PAUSED, Cause.ACKS)
    assert "no ACK within 30s" in found.state.reason
    assert "node-b (nack: routes[0]: bad)" in found.state.reason
    assert playbook.ask(Command.RESUME).state.waited == 0
    assert playbook.look(deaf, after=10).event is None
    assert playbook.look(WELL).state.acked


def test_waiting_for_nobody_says_so() -> None:
    playbook = Playbook()
    playbook.look()
    assert "no sidecar is connected" in playbook.bake(seen(connected=0, acked=0), seconds=30).state.reason
    assert playbook.state.phase is Phase.PAUSED


def test_the_clock_stands_while_no_sidecar_has_the_stage() -> None:
    playbook = baking()
    playbook.bake(seen(connected=0, acked=0), seconds=300)
    assert playbook.state.elapsed == 0
    assert playbook.look(after=10).state.elapsed == 10


def test_no_data_never_advances() -> None:
    playbook = baking()
    assert playbook.bake(NOTHING, seconds=230).event is None
    assert "mirrored has 0 of 50 calls" in playbook.state.reason
    assert playbook.look(NOTHING, after=10).state.cause is Cause.INCONCLUSIVE


def test_a_stage_without_criteria_needs_calls_too() -> None:
    playbook = baking(make_plan({"percent": 5, "bake": "60s"}))
    assert playbook.bake(seen(live(), live(49))).event is None
    assert playbook.look(seen(live(), live(50))).event is Event.STAGE


def test_both_arms_that_a_stage_feeds_need_calls() -> None:
    playbook = baking(make_plan({"percent": 5, "mirror_percent": 5, "bake": "60s"}))
    assert playbook.bake(seen(live(), live())).event is None
    assert playbook.look(seen(live(), live(), copies())).event is Event.STAGE


def test_a_hold_ends_as_soon_as_the_proof_is_there() -> None:
    playbook = baking()
    playbook.bake(NOTHING, seconds=120)
    assert playbook.look(WELL, after=10).event is Event.STAGE


def test_a_hold_that_ends_in_a_pause_gets_its_time_anew() -> None:
    playbook = baking()
    assert playbook.bake(NOTHING, seconds=240).state.phase is Phase.PAUSED
    playbook.ask(Command.RESUME)
    assert playbook.bake(NOTHING, seconds=230).state.phase is Phase.PROGRESSING
    assert playbook.look(NOTHING, after=10).state.phase is Phase.PAUSED
    assert playbook.state.elapsed == 480


@pytest.mark.parametrize(("choice", "phase"), [("pause", Phase.PAUSED), ("rollback", Phase.ROLLED_BACK)])
def test_missing_proof_does_what_was_chosen(choice: str, phase: Phase) -> None:
    found = baking(make_plan(on_inconclusive=choice)).bake(NOTHING)
    assert found.state.phase is phase
    assert "inconclusive" in found.state.reason
    assert found.actions == ((Restore(),) if phase.is_final else ())


def test_accuracy_holds_while_nobody_reports_outcomes() -> None:
    plan = make_plan({"percent": 5, "bake": "60s", "require": ["accuracy > 0.93"]})
    assert "no outcomes were reported" in baking(plan).bake(WELL).state.reason


@pytest.mark.parametrize("stages", [[{"percent": 5, **CRITERIA}, {"percent": 100}], [{"percent": 100}]])
@pytest.mark.parametrize(
    ("min_acked", "dead", "goes_on"), [(1, 1, False), (0.5, 1, True), (0.5, 2, False), (0, 3, False)]
)
def test_nobody_more_is_sent_to_a_candidate_that_is_dead(
    stages: list[dict[str, Any]], min_acked: float, dead: int, *, goes_on: bool
) -> None:
    names = ("a (refused)", "b (refused)", "c (refused)")
    playbook = Playbook(make_plan(*stages), Settings(min_acked=min_acked))
    playbook.look()
    found = playbook.bake(seen(live(), live(), connected=3, acked=3, dead=names[:dead]), seconds=70)
    assert (found.state.stage > 0 or found.state.phase is Phase.SUCCEEDED) is goes_on
    assert goes_on or "the candidate is not live at a (refused)" in found.state.reason


def test_a_shadow_ends_without_a_promotion() -> None:
    plan = dataclasses.replace(PLAN, stages=PLAN.stages[:1], promotes=False)
    found = baking(plan).bake()
    assert (found.state.phase, found.actions) == (Phase.SUCCEEDED, (Restore(),))


def test_a_full_stage_with_a_bake_is_judged() -> None:
    plan = make_plan({"percent": 100, **CRITERIA})
    assert baking(plan).bake(BAD).state.phase is Phase.ROLLED_BACK
    assert baking(plan).bake(WELL).actions == (Promote(),)


def test_a_stage_that_waits_for_an_operator() -> None:
    playbook = baking(make_plan({"percent": 5, "pause": True, **CRITERIA}))
    found = playbook.bake()
    assert (found.event, found.state.cause) == (Event.PAUSED, Cause.STAGE)
    assert found.state.reason == "stage canary-5: waits for promote"
    assert "promote it" in playbook.refused(Command.RESUME)
    found = playbook.ask(Command.PROMOTE)
    assert (found.event, found.actions) == (Event.PROMOTED, (SetTraffic(1),))
    assert stage_state(found.state, 0) == "passed"


def test_a_stage_that_only_waits_for_an_operator() -> None:
    playbook = Playbook(make_plan({"percent": 5, "pause": True}, {"percent": 100}))
    playbook.look()
    assert playbook.look(NOTHING).state.cause is Cause.STAGE


def test_a_restart_goes_on_where_it_stood_and_downtime_is_no_baking() -> None:
    playbook = baking()
    playbook.bake(seconds=30)
    playbook.restart()
    assert playbook.look(seen(connected=0, acked=0), after=20).state.elapsed == 30
    assert playbook.look(after=10).state.elapsed == 40
    assert playbook.look(after=20).event is Event.STAGE


@pytest.mark.parametrize(
    ("jump", "counted"),
    [(-1e6, 0), (1e9, 60), (float("inf"), 60), (float("nan"), 0), (0, 0), (59, 59)],
)
def test_only_plausible_time_counts(jump: float, counted: float) -> None:
    playbook = baking(make_plan({"percent": 5, "bake": "3600s"}))
    assert playbook.look(after=jump).state.elapsed == counted


def test_a_paused_clock_stands_still() -> None:
    playbook = baking()
    playbook.bake(seconds=50)
    playbook.ask(Command.PAUSE)
    found = playbook.bake(BAD, seconds=500)
    assert (found.state.phase, found.state.elapsed) == (Phase.PAUSED, 50)
    assert [verdict.outcome for verdict in found.verdicts] == ["fail"]
    playbook.ask(Command.RESUME)
    assert playbook.look(after=5).state.elapsed == 55
    assert playbook.look(after=5).event is Event.STAGE


def test_an_end_is_an_end() -> None:
    playbook = baking()
    playbook.bake(BAD)
    found = playbook.bake(WELL, seconds=500)
    assert (found.state.phase, found.event, found.actions) == (Phase.ROLLED_BACK, None, ())


def test_how_stages_stand() -> None:
    playbook = Playbook()
    assert stage_state(playbook.state, 0) == "pending"
    playbook.look()
    playbook.look()
    playbook.bake(seconds=20)
    assert [stage_state(playbook.state, index) for index in range(3)] == ["baking", "pending", "pending"]
    assert [stage_elapsed(playbook.state, index) for index in range(2)] == [20, 0]
    playbook.ask(Command.PAUSE)
    assert stage_state(playbook.state, 0) == "paused"
