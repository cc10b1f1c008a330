"""The split that is observed, against the split that was asked for."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout import machine
from control.rollout.accumulation import Row, entered, grown
from control.rollout.decisions import Command, Event, Step
from control.rollout.model import Cause, Observation, Phase, Plan, Settings, State
from control.rollout.sample_ratio import Counts, Seen, Split, evidence, mismatch
from tests.support.rollouts import make_plan

STAGE = {"percent": 10, "bake": "600s", "require": ["error_rate < 50%"]}


def drawn(calls: int, share: float, seed: int) -> Split:
    draw = random.Random(seed)  # noqa: S311
    candidate = sum(draw.random() < share for _ in range(calls))
    return Split(drawn=Counts(candidate, calls - candidate))


def row(version: int, variant: str, *, calls: int = 0, keys: tuple[int, ...] = (), arrival: int = 1) -> Row:
    entry = telemetry_pb2.Evidence(route="predict", variant=variant, epoch=1, version=version)
    entry.drawn = calls
    entry.keys.extend(keys)
    return Row(entry, "pod-1", arrival=arrival)


def gathered(plan: Plan, before: Observation, *rows: Row, since: int = 1) -> Observation:
    return grown(plan, before, rows, since=(1, since), connected=1, acked=1)


def test_a_split_two_points_off_is_found_within_an_hour_of_50_calls_a_second():
    for seed in range(20):
        for share in (0.05, 0.25, 0.5):
            assert "were asked for" in mismatch(drawn(180_000, share + 0.02, seed), share, 4)


def test_at_half_a_hundredth_of_the_share_is_found_too():
    assert mismatch(drawn(180_000, 0.51, 1), 0.5, 4)


def test_a_right_split_raises_no_alarm_however_often_one_looks():
    alarms = 0
    for seed in range(200):
        draw, split = random.Random(seed), Split()  # noqa: S311
        for _ in range(60):
            candidate = sum(draw.random() < 0.1 for _ in range(250))
            split = split.drew(candidate=candidate, stable=250 - candidate)
            if mismatch(split, 0.1, 1):
                alarms += 1
                break
    assert alarms <= 6  # 1 % of 200 runs; 7 and more are one in 200


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_where_nothing_is_divided_nothing_is_tested(share):
    assert mismatch(Split(drawn=Counts(100, 900)), share, 1) == ""


def test_without_calls_nothing_is_proven():
    assert mismatch(Split(), 0.5, 1) == ""
    assert evidence(Counts(), 0.5) == 0


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=20))
def test_seen_is_a_set_however_it_grew(parts):
    seen = Seen()
    for part in parts:
        seen = seen.plus(part)
    expected = {each for part in parts for each in part}

    assert {each for each in range(51) if each in seen} == expected
    assert len(seen.sets) <= 8


def test_a_user_counts_once_whoever_meets_them_and_in_whatever_stage():
    plan = make_plan(STAGE, {"percent": 50, "bake": "600s"}, {"percent": 100})
    first = gathered(plan, Observation(), row(1, "v1", keys=(1, 2)), row(1, "v2", keys=(3,)))
    again = gathered(plan, first, row(1, "v1", keys=(2, 4)))
    assert again.split.users == Counts(1, 3)

    later = gathered(plan, entered(again), row(2, "v2", keys=(1, 5)), row(1, "v1", keys=(6,)), since=2)

    assert later.split.users == Counts(1, 0)  # 1 is known; 6 was met under the stage before
    assert 6 in later.split.met


def test_busy_users_count_no_more_than_others():
    plan = make_plan(STAGE, {"percent": 100})
    busy = row(1, "v2", keys=(1,))
    busy.evidence.codes["OK"] = 100_000

    assert gathered(plan, Observation(), busy).split == Split(users=Counts(1, 0), met=Seen((frozenset({1}),)))


def stepped(plan: Plan, observation: Observation) -> Step:
    state = State(phase=Phase.PROGRESSING, acked=True, ticked_at=0.0)
    return machine.step(plan, state, observation, Settings(), 1.0)


def test_a_wrong_split_pauses_at_once_and_says_so():
    plan = make_plan(STAGE, {"percent": 100})
    wrong = gathered(plan, Observation(), row(1, "v1", calls=5000), row(1, "v2", calls=5000))

    step = stepped(plan, wrong)

    assert (step.state.phase, step.state.cause, step.event) == (
        Phase.PAUSED,
        Cause.SAMPLE_RATIO,
        Event.PAUSED,
    )
    assert "sample ratio mismatch: the candidate got 5000 of 10000 calls drawn at random" in step.state.reason


def test_who_resumes_has_it_tested_anew():
    plan = make_plan(STAGE, {"percent": 100})
    wrong = gathered(plan, Observation(), row(1, "v1", calls=5000), row(1, "v2", calls=5000))
    paused = stepped(plan, wrong).state

    resumed = machine.command(plan, paused, Command.RESUME, 2.0, 77)

    assert isinstance(resumed, Step)
    assert (resumed.state.phase, resumed.state.after) == (Phase.PROGRESSING, 77)


def test_a_rollout_may_ignore_it():
    plan = make_plan(STAGE, {"percent": 100}, sample_ratio="ignore")
    wrong = gathered(plan, Observation(), row(1, "v1", calls=5000), row(1, "v2", calls=5000))

    assert stepped(plan, wrong).state.phase is Phase.PROGRESSING
