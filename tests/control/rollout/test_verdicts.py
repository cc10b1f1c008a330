"""Criteria against evidence, by gate `threshold`."""

import dataclasses

import pytest

from control.rollout.judgements import Outcome, Verdict
from control.rollout.model import ArmEvidence, Observation, Plan, Stage
from control.rollout.readings import arm_of
from control.rollout.sentences import parse_criterion
from control.rollout.verdicts import judge, judge_all, short_arms
from tests.support.rollouts import copies, histogram, live, make_plan, seen

PLAN = make_plan(min_calls=100)
SHADOW, CANARY, FULL = PLAN.stages


def verdict(text: str, observation: Observation, stage: Stage = CANARY, plan: Plan = PLAN) -> Verdict:
    criterion = parse_criterion(text)
    return judge(criterion, arm_of(criterion, stage), observation, plan)


@pytest.mark.parametrize(
    ("text", "errors", "outcome"),
    [
        ("error_rate <= 1%", 10, "pass"),
        ("error_rate <= 1%", 11, "fail"),
        ("error_rate < 1%", 10, "fail"),
        ("error_rate <= stable + 0.5%", 25, "pass"),
        ("error_rate <= stable + 0.5%", 26, "fail"),
        ("error_rate <= stable * 2", 40, "pass"),
        ("error_rate <= stable * 2", 41, "fail"),
        ("error_rate <= stable", 20, "pass"),
    ],
)
def test_error_rate(text: str, errors: int, outcome: str) -> None:
    observation = seen(live(1000, errors=20), live(1000, errors=errors))
    found = verdict(text, observation)
    assert (found.outcome, found.value, found.n) == (outcome, errors / 1000, 1000)


def test_too_few_calls_are_inconclusive_however_bad() -> None:
    assert verdict("error_rate <= 1%", seen(live(), live(99, errors=99))).outcome is Outcome.INCONCLUSIVE
    assert verdict("error_rate <= 1%", seen(live(), live(100, errors=99))).outcome is Outcome.FAIL


def test_stable_needs_calls_only_where_the_sentence_names_it() -> None:
    observation = seen(live(99), live(1000))
    assert verdict("error_rate <= stable + 1%", observation).outcome is Outcome.INCONCLUSIVE
    assert verdict("error_rate <= 1%", observation).outcome is Outcome.PASS


@pytest.mark.parametrize(
    "text",
    [
        "error_rate <= 100%",
        "error_rate <= stable",
        "latency_p99 < 1h",
        "latency_p99 <= stable",
        "match_rate >= 0%",
        "accuracy > 0%",
        "requests >= 0",
    ],
)
def test_no_data_is_never_a_pass_and_never_a_fail(text: str) -> None:
    for stage in (SHADOW, CANARY):
        found = verdict(text, seen(), stage)
        assert found.outcome is Outcome.INCONCLUSIVE
        assert found.n == 0


def test_cancelled_calls_leave_the_count_and_fallbacks_are_errors() -> None:
    arm = ArmEvidence(codes={"OK": 90, "CANCELLED": 500, "NOT_FOUND": 5}, fallbacks=5)
    found = verdict("error_rate <= 5%", seen(live(), arm))
    assert (found.value, found.n, found.outcome) == (0.05, 100, "pass")


def test_the_rollouts_own_error_codes_count() -> None:
    plan = dataclasses.replace(PLAN, error_codes=frozenset({"NOT_FOUND"}))
    arm = ArmEvidence(codes={"OK": 900, "NOT_FOUND": 50, "INTERNAL": 50})
    assert verdict("error_rate <= 1%", seen(live(), arm), plan=plan).value == 0.05


def test_a_stage_without_traffic_is_judged_on_its_copies() -> None:
    observation = seen(live(), live(1000, errors=1000), copies(match=900, mismatch=80, error=20))
    assert verdict("error_rate <= 2%", observation, SHADOW).value == 0.02
    assert verdict("error_rate <= 2%", observation, CANARY).value == 1.0


def test_copies_that_were_dropped_or_cancelled_say_nothing() -> None:
    outcomes = {"match": 90, "unreachable": 5, "deadline": 5, "dropped_in_flight": 900, "cancelled": 50}
    found = verdict("error_rate <= 10%", seen(live(), mirrored=ArmEvidence(outcomes=outcomes)), SHADOW)
    assert (found.value, found.n) == (0.1, 100)


def test_match_rate_is_of_what_was_compared() -> None:
    arm = ArmEvidence(outcomes={"match": 95, "mismatch": 5, "uncompared": 300, "error": 10})
    found = verdict("match_rate >= 95%", seen(live(), live(), arm), CANARY)
    assert (found.value, found.n, found.outcome) == (0.95, 100, "pass")
    uncompared = ArmEvidence(outcomes={"uncompared": 1000})
    assert verdict("match_rate >= 95%", seen(mirrored=uncompared), SHADOW).outcome is Outcome.INCONCLUSIVE


def test_latency_by_histogram() -> None:
    slow = ArmEvidence(codes={"OK": 100}, latency=histogram([0.1] * 98 + [0.5] * 2))
    assert verdict("latency_p99 < 200ms", seen(live(), slow)).outcome is Outcome.FAIL
    assert verdict("latency_p95 < 200ms", seen(live(), slow)).outcome is Outcome.PASS


def test_latency_against_stable() -> None:
    observation = seen(live(latency=0.1), live(latency=0.125))
    assert verdict("latency_p99 <= stable * 1.3", observation).outcome is Outcome.PASS
    assert verdict("latency_p99 <= stable * 1.2", observation).outcome is Outcome.FAIL
    assert verdict("latency_p99 <= stable + 30ms", observation).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("text", "slow", "outcome"),
    [
        ("latency_p99 < 200ms", 9, "pass"),
        ("latency_p99 < 200ms", 10, "fail"),
        ("latency_p99 <= 200ms", 10, "pass"),
        ("latency_p99.9 < 200ms", 1, "fail"),
        ("latency_p50 < 200ms", 499, "pass"),
    ],
)
def test_calls_slower_than_the_bound_are_counted_exactly(text: str, slow: int, outcome: str) -> None:
    # 199 ms and 201 ms share a bucket: only the exact count can tell.
    arm = ArmEvidence(
        codes={"OK": 1000}, latency=histogram([0.201] * slow + [0.199] * (1000 - slow)), slow={0.2: slow}
    )
    assert verdict(text, seen(live(), arm)).outcome == outcome


def test_requests_that_are_still_missing_prove_nothing() -> None:
    assert verdict("requests >= 1000", seen(live(), live(1000))).outcome is Outcome.PASS
    assert verdict("requests >= 1000", seen(live(), live(999))).outcome is Outcome.INCONCLUSIVE


def test_accuracy_without_outcomes_is_inconclusive() -> None:
    found = verdict("accuracy > 0.93", seen(live(), live(), copies()))
    assert (found.outcome, found.value, found.bound) == ("inconclusive", None, 0.93)
    assert found.detail == "no outcomes were reported"


def test_the_detail_says_what_it_was_judged_on() -> None:
    found = verdict("error_rate <= stable + 0.5%", seen(live(1000, errors=10), live(500, errors=21)))
    assert found.detail == "candidate: 4.2% of 500 calls; stable: 1% of 1000 calls; bound <= 1.5%"


def test_all_of_a_stage_in_its_order() -> None:
    found = judge_all(PLAN, CANARY, seen(live(), live(latency=0.5)))
    assert [(each.require, each.outcome) for each in found] == [
        ("latency_p99 < 200ms", "fail"),
        ("error_rate <= stable + 0.5%", "pass"),
    ]


def test_arms_that_the_stage_feeds_need_calls() -> None:
    assert short_arms(PLAN, SHADOW, seen(mirrored=copies(99))) == ("mirrored has 99 of 100 calls",)
    assert short_arms(PLAN, CANARY, seen(live(3), live(2))) == (
        "candidate has 2 of 100 calls",
        "stable has 3 of 100 calls",
    )
    assert short_arms(PLAN, FULL, seen(candidate=live(100))) == ()
