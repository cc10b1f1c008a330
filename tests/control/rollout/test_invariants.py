"""Whatever is seen, asked or restarted, in whatever order: what a rollout never does."""

import dataclasses
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.checks.service import check_service
from understudy.v1 import telemetry_pb2

from control.rollout.decisions import Command, Event, Refused, SetTraffic, Step
from control.rollout.evidence import Arm
from control.rollout.machine import command, step
from control.rollout.model import Gate, Observation, Phase, Plan, Settings, State
from control.rollout.proofs import seen as seen_by_tests
from control.rollout.records import state_from_json, state_to_json
from control.rollout.strata import Entry
from control.rollout.traffic import in_force
from tests.support.rollouts import NOTHING, WELL, copies, live, make_plan, make_service, seen

SERVICE = make_service()
SETTINGS = Settings(min_acked=0.5, ack_timeout=30.0)
RATIO = "error_rate <= stable * 2"
PLANS = [
    make_plan(),
    make_plan(on_fail="pause", on_inconclusive="pause"),
    make_plan(
        {"percent": 5, "pause": True, "bake": "30s"},
        {"percent": 50, "bake": "30s"},
        on_inconclusive="rollback",
    ),
    make_plan(
        {"percent": 10, "bake": "30s", "require": [RATIO]},
        {"percent": 50, "bake": "30s", "require": [RATIO], "advance": "unless_failed"},
        gate="sequential",
    ),
]


@dataclass(frozen=True)
class Look:
    observation: Observation
    after: float


@dataclass(frozen=True)
class Restart:
    now: float


Happening = Look | Restart | Command

SLOW = seen(live(), live(latency=0.9), copies(match=500, mismatch=500))
FEW = seen(live(30), live(30), copies(30))
LEFT = seen(live(), live(), copies(), connected=3, acked=0)
WORSE = dataclasses.replace(
    WELL,
    proofs=seen_by_tests(
        PLANS[3],
        {},
        [
            Entry(arm, telemetry_pb2.Evidence(codes={"OK": 90, "INTERNAL": bad}), "pod-1", float(at))
            for at in range(10)
            for arm, bad in ((Arm.STABLE, 1), (Arm.CANDIDATE, 10))
        ],
    ),
)
OBSERVATIONS = [WELL] * 8 + [WORSE, SLOW, FEW, LEFT, NOTHING, seen(connected=0, acked=0)]
looks = st.builds(
    Look, st.sampled_from(OBSERVATIONS), st.sampled_from([10.0] * 6 + [0.0, 1.0, 40.0, 1e7, -1e7])
)
restarts = st.builds(Restart, st.floats(0, 1e6))


def kind_of(draw: int) -> st.SearchStrategy[Happening]:
    """Most of a rollout's life is looks; the shares decide how far the histories get."""
    match draw:
        case 0:
            return st.sampled_from(Command)
        case 1:
            return restarts
        case _:
            return looks


histories_of = st.lists(st.integers(0, 19).flatmap(kind_of), min_size=10, max_size=80)


def run(plan: Plan, happenings: list[Happening]) -> list[tuple[State, Happening, Step]]:
    """Every step that was taken, with the state before it and what led to it."""
    state, now, taken = State(), 0.0, []
    for happening in happenings:
        match happening:
            case Restart():
                state, now = state_from_json(state_to_json(state)), happening.now
                found: Step | Refused = Step(state)
            case Look():
                now += happening.after
                found = step(plan, state, happening.observation, SETTINGS, now)
            case Command():
                found = command(plan, state, happening, now)
        if isinstance(found, Step):
            taken.append((state, happening, found))
            state = found.state
    return taken


def histories(test: object) -> object:
    return settings(max_examples=150)(given(st.sampled_from(PLANS), histories_of)(test))


@histories
def test_no_stage_is_skipped_without_a_command(plan: Plan, happenings: list[Happening]) -> None:
    for before, cause, taken in run(plan, happenings):
        if not isinstance(cause, Command):
            assert taken.state.stage in (before.stage, before.stage + 1)
        if taken.state.phase is Phase.PROGRESSING and taken.state.stage > 0:
            assert len(taken.state.ended) == taken.state.stage


@histories
def test_a_stage_never_advances_on_no_data(plan: Plan, happenings: list[Happening]) -> None:
    for before, cause, taken in run(plan, happenings):
        if taken.event in (Event.STAGE, Event.SUCCEEDED) and isinstance(cause, Look):
            stage = plan.stages[before.stage]
            assert taken.state.ended[before.stage].elapsed >= stage.bake
            if stage.bake:
                fed = (
                    cause.observation.candidate.codes
                    if stage.percent
                    else cause.observation.mirrored.outcomes
                )
                assert sum(fed.values()) >= plan.min_calls
                wanted = {"pass"} if plan.gate is Gate.THRESHOLD else {"pass", "inconclusive"}
                assert {str(verdict.outcome) for verdict in taken.verdicts} <= wanted


@histories
def test_an_end_is_left_by_a_command_only(plan: Plan, happenings: list[Happening]) -> None:
    for before, cause, taken in run(plan, happenings):
        if before.phase.is_final and taken.state.phase is not before.phase:
            assert cause in (Command.RETRY, Command.UNDO)
        if before.phase.is_final and isinstance(cause, Look):
            assert (taken.event, taken.actions) == (None, ())


@histories
def test_a_stages_clock_never_runs_back_or_ahead(plan: Plan, happenings: list[Happening]) -> None:
    for before, cause, taken in run(plan, happenings):
        if taken.state.stage == before.stage and cause is not Command.RETRY:
            gained = taken.state.elapsed - before.elapsed
            allowed = max(0.0, min(cause.after, SETTINGS.longest_tick)) if isinstance(cause, Look) else 0.0
            assert 0 <= gained <= allowed + 1e-6
            if not before.acked or before.phase is not Phase.PROGRESSING:
                assert gained == 0


@histories
def test_traffic_is_divided_and_given_back_whole(plan: Plan, happenings: list[Happening]) -> None:
    stored = sum(SERVICE.routes[1].split.weights.values())
    for _, _, taken in run(plan, happenings):
        service = in_force(SERVICE, plan, taken.state)
        weights = service.routes[1].split.weights
        assert check_service(service) == []
        assert min(weights.values()) >= 0
        assert sum(weights.values()) == pytest.approx(stored)
        if taken.state.phase in (Phase.PENDING, Phase.ROLLED_BACK, Phase.ABORTED):
            assert service == SERVICE


@histories
def test_traffic_moves_only_where_an_event_says_so(plan: Plan, happenings: list[Happening]) -> None:
    for before, _, taken in run(plan, happenings):
        if in_force(SERVICE, plan, before) != in_force(SERVICE, plan, taken.state):
            assert taken.event is not None
            assert taken.actions
        for action in taken.actions:
            if isinstance(action, SetTraffic):
                assert action.stage == taken.state.stage
        assert (taken.event is None) == (
            before.phase is taken.state.phase and before.stage == taken.state.stage
        )


@histories
def test_what_is_proven_failed_never_goes_on(plan: Plan, happenings: list[Happening]) -> None:
    for before, cause, taken in run(plan, happenings):
        is_proven = plan.gate is Gate.SEQUENTIAL and isinstance(cause, Look) and cause.observation is WORSE
        if is_proven and before.acked and before.phase in (Phase.PROGRESSING, Phase.PAUSED):
            ended = plan.stages[before.stage].bake == 0
            assert ended or taken.state.phase is Phase.ROLLED_BACK
