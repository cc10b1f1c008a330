"""Gate `sequential`: rows become strata, strata become verdicts, and the machine acts on them."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout.accumulation import Row, entered, grown
from control.rollout.decisions import Command, Event, Step
from control.rollout.evidence import Arm, to_duration
from control.rollout.machine import command, step
from control.rollout.model import Advance, Cause, Observation, Phase, Plan, Settings, State
from control.rollout.proofs import judged_on
from control.rollout.sentences import parse_criterion
from control.rollout.strata import Entry, strata
from control.rollout.verdicts import asked, judge_all, short_arms
from tests.support.rollouts import make_plan

RATIO = "error_rate <= stable * 2"
SHADOWED = {"mirror_percent": 100, "bake": "60s", "require": ["match_rate >= 95%"]}
CANARY = {"percent": 10, "bake": "60s", "require": [RATIO]}
HALF = {"percent": 50, "bake": "60s", "max_bake": "36000s", "require": [RATIO]}


def plan_of(*stages: dict[str, Any], **fields: Any) -> Plan:
    return make_plan(*stages, gate="sequential", **fields)


PLAN = plan_of(CANARY, HALF)


def row(variant: str, n: int, bad: int = 0, at: float = 0.0, node: str = "pod-1", **fields: Any) -> Row:
    fields = {"route": "predict", "epoch": 1, "version": 1} | fields
    return Row(
        telemetry_pb2.Evidence(variant=variant, codes={"OK": n - bad, "INTERNAL": bad}, **fields),
        node,
        at,
        at + 1,
    )


def copied(match: int, mismatch: int = 0, at: float = 0.0, version: int = 1) -> Row:
    evidence = telemetry_pb2.Evidence(
        route="predict",
        variant="v2",
        mirrored=True,
        epoch=1,
        version=version,
        mirror_outcomes={"match": match, "mismatch": mismatch},
    )
    return Row(evidence, "pod-1", at, at + 1)


def look(plan: Plan, before: Observation, *rows: Row, version: int = 1) -> Observation:
    return grown(plan, before, rows, since=(1, version), connected=1, acked=1)


def windows(count: int, bad: int, stable_bad: int = 0, n: int = 50, version: int = 1) -> list[Row]:
    """Windows of n calls each way, with so many bad ones in each."""
    return [
        each
        for at in range(count)
        for each in (
            row("v1", n, stable_bad, float(at), version=version),
            row("v2", n, bad, float(at), version=version),
        )
    ]


def outcomes(plan: Plan, stage: int, observation: Observation) -> list[str]:
    return [str(verdict.outcome) for verdict in judge_all(plan, plan.stages[stage], observation)]


def running(plan: Plan, observation: Observation, seconds: float, stage: int = 0) -> Step:
    """A stage that is baking, looked at after so many seconds."""
    state = State(Phase.PROGRESSING, stage=stage, acked=True, ticked_at=0.0, elapsed=seconds)
    return step(plan, state, observation, Settings(), 0.0)


def test_a_failure_rolls_back_at_once_in_mid_bake() -> None:
    seen = look(PLAN, Observation(), *windows(20, bad=5, stable_bad=1))
    found = running(PLAN, seen, 1.0)
    assert (found.event, found.state.phase) == (Event.ROLLED_BACK, Phase.ROLLED_BACK)
    (verdict,) = found.verdicts
    assert [(count.arm, count.n, count.bad) for count in verdict.counts] == [
        ("candidate", 1000, 100),
        ("stable", 1000, 20),
    ]
    assert verdict.to_fail is not None
    assert verdict.to_fail.value >= verdict.to_fail.limit == pytest.approx(20)
    assert (verdict.value, verdict.bound, verdict.method) == (0.1, 0.04, "ratio test")


def test_a_failure_pauses_where_that_is_asked_for_and_a_resume_judges_what_comes_then() -> None:
    plan = plan_of(CANARY, HALF, on_fail="pause")
    seen = dataclasses.replace(look(plan, Observation(), *windows(20, 5, 1)), arrival=40)
    found = running(plan, seen, 1.0)
    assert (found.event, found.state.cause) == (Event.PAUSED, Cause.FAILED)
    assert step(plan, found.state, seen, Settings(), 1.0).event is None
    resumed = command(plan, found.state, Command.RESUME, 2.0, seen.arrival)
    assert isinstance(resumed, Step)
    assert resumed.state.after == 40


def test_what_fails_while_an_operator_has_paused_is_rolled_back() -> None:
    paused = State(Phase.PAUSED, acked=True, cause=Cause.OPERATOR, elapsed=5.0)
    seen = look(PLAN, Observation(), *windows(20, 5, 1))
    assert step(PLAN, paused, seen, Settings(), 0.0).event is Event.ROLLED_BACK
    assert step(PLAN, paused, Observation(), Settings(), 0.0).event is None


def test_a_stage_before_another_partial_one_needs_no_proof_but_calls() -> None:
    assert [stage.advance for stage in PLAN.stages] == [
        Advance.UNLESS_FAILED,
        Advance.PROVEN,
        Advance.PROVEN,
    ]
    few = look(PLAN, Observation(), *windows(1, 0, 0, n=49))
    assert "candidate has 49 of 50 calls" in running(PLAN, few, 60).state.reason
    enough = look(PLAN, few, *windows(1, 0, 0, n=49))
    assert outcomes(PLAN, 0, enough) == ["inconclusive"]
    assert running(PLAN, enough, 60).event is Event.STAGE


@pytest.mark.parametrize("sentence", ["error_rate <= 10%", RATIO, "error_rate <= stable + 5%"])
def test_a_candidate_that_only_fails_goes_nowhere_even_before_that_is_proven(sentence: str) -> None:
    plan = plan_of(CANARY | {"require": [sentence]}, HALF | {"require": [sentence]}, min_calls=20)
    first = look(plan, Observation(), *windows(2, 15, n=15))
    held = running(plan, first, 60)
    assert (outcomes(plan, 0, first), held.event) == (["inconclusive"], None)
    assert "beyond the bound, unless that was a burst or few users" in held.state.reason
    assert running(plan, look(plan, first, *windows(6, 15, n=15)), 0).event is Event.ROLLED_BACK
    assert running(plan, look(plan, first, *windows(60, 0, 1)), 60).event is Event.STAGE  # it was one


def test_a_candidate_whose_newest_calls_all_failed_goes_nowhere_however_well_it_did_before() -> None:
    plan = plan_of(CANARY | {"require": ["error_rate <= 10%"]}, HALF, min_calls=20)
    well = look(plan, Observation(), *windows(5, 0))
    one_of_many = look(plan, well, row("v2", 3, 3, 10.0), row("v2", 3, 2, 9.0, node="b"))
    held = running(plan, look(plan, well, row("v2", 3, 3, 10.0)), 60)
    assert (running(plan, well, 60).event, held.event) == (Event.STAGE, None)
    assert "candidate failed in all of the newest 3 calls" in held.state.reason
    assert running(plan, one_of_many, 60).event is Event.STAGE
    assert running(plan, look(plan, well, row("v2", 2, 2, 10.0)), 60).event is Event.STAGE
    late = look(plan, look(plan, well, row("v2", 3, 0, 10.0)), row("v2", 3, 3, 9.0))
    assert running(plan, late, 60).event is Event.STAGE


def test_full_traffic_needs_proof() -> None:
    seen = look(PLAN, Observation(), *windows(5, 0, 0))
    held = running(PLAN, seen, 60, stage=1)
    assert held.event is None
    assert "inconclusive: error_rate <= stable * 2" in held.state.reason
    proven = look(PLAN, seen, *windows(400, bad=1, stable_bad=1, n=100))
    assert outcomes(PLAN, 1, proven) == ["pass"]
    assert running(PLAN, proven, 60, stage=1).event is Event.STAGE


@pytest.mark.parametrize("advance", ["unless_failed", "proven"])
def test_a_rollout_and_a_stage_may_say_what_ends_a_bake(advance: str) -> None:
    plan = plan_of(CANARY, HALF | {"advance": "unless_failed"}, advance=advance)
    assert [stage.advance for stage in plan.stages[:2]] == [advance, "unless_failed"]


def test_evidence_goes_on_from_stage_to_stage() -> None:
    first = look(PLAN, Observation(), *windows(10, 2, 1))
    later = look(PLAN, entered(first), *windows(10, 2, 1, version=2), version=2)
    at_once = look(PLAN, Observation(), *windows(10, 2, 1), *windows(10, 2, 1, version=2))
    assert later.proofs == at_once.proofs
    assert judge_all(PLAN, PLAN.stages[1], later)[0].n == 1000
    assert (later.earlier["candidate"], later.candidate.codes["INTERNAL"]) == (500, 20)


def test_calls_of_earlier_stages_count_but_none_in_this_one_are_none() -> None:
    before = entered(look(PLAN, Observation(), *windows(10, 0)))
    assert short_arms(PLAN, PLAN.stages[1], before) == (
        "candidate has 0 of 50 calls",
        "stable has 0 of 50 calls",
    )
    assert short_arms(PLAN, PLAN.stages[1], look(PLAN, before, *windows(1, 0, n=1))) == ()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12), st.integers(1, 5))
def test_however_rows_are_parted_among_looks_the_verdict_is_the_same(
    bads: list[tuple[int, int]], parts: int
) -> None:
    rows = [
        each
        for at, (mine, theirs) in enumerate(bads)
        for each in (row("v1", 30, theirs, float(at)), row("v2", 30, mine, float(at)))
    ]
    whole, bit = look(PLAN, Observation(), *rows), Observation()
    for begin in range(0, len(rows), 2 * parts):
        bit = look(PLAN, bit, *rows[begin : begin + 2 * parts])
    assert bit.proofs == whole.proofs or not rows
    assert outcomes(PLAN, 0, bit) == outcomes(PLAN, 0, whole)


def test_alpha_is_shared_by_what_fails_and_not_by_what_passes() -> None:
    plan = plan_of(
        SHADOWED, CANARY | {"require": [RATIO, "error_rate<=stable*2", "latency_p99 < 1s"]}, alpha=0.1
    )
    assert len(judged_on(plan)) == 3
    for verdict in judge_all(plan, plan.stages[1], Observation()):
        assert verdict.to_fail is not None
        assert verdict.to_pass is not None
        assert (verdict.to_fail.limit, verdict.to_pass.limit) == (pytest.approx(30), pytest.approx(10))


@pytest.mark.parametrize("sentence", [RATIO, "error_rate <= 1%", "latency_p99 < 1s", "latency_p99 <= stable"])
def test_no_data_never_passes_and_never_fails(sentence: str) -> None:
    plan = plan_of(CANARY | {"require": [sentence, "accuracy > 0%", "error_rate <= stable + 1%"]})
    for verdict in judge_all(plan, plan.stages[0], Observation()):
        assert (verdict.outcome, verdict.n, verdict.value) == ("inconclusive", 0, None)


def test_only_bad_calls_and_only_good_ones_decide_without_a_word() -> None:
    plan = plan_of(CANARY | {"require": ["error_rate <= 1%", RATIO]})
    assert outcomes(plan, 0, look(plan, Observation(), *windows(40, 50, 50))) == ["fail", "pass"]
    assert outcomes(plan, 0, look(plan, Observation(), *windows(40, 0, 0)))[0] == "pass"
    assert "fail" in outcomes(plan, 0, look(plan, Observation(), *windows(40, 25, 25)))


def test_what_copies_show_is_decided_where_the_last_of_them_is_sent() -> None:
    plan = plan_of(SHADOWED, {"percent": 5, "mirror_percent": 10, "bake": "60s"}, HALF)
    last = plan.stages[1]
    assert [(criterion.text, arm) for criterion, arm in asked(last)] == [("match_rate >= 95%", "mirrored")]
    assert asked(plan.stages[2]) == [(plan.stages[2].criteria[0], Arm.CANDIDATE)]
    few = look(plan, Observation(), copied(50), *windows(2, 0))
    assert "match_rate >= 95%" in running(plan, few, 60, stage=1).state.reason
    proven = look(plan, few, *(copied(100, 1, float(at)) for at in range(10)))
    assert running(plan, proven, 60, stage=1).event is Event.STAGE


def test_a_match_rate_is_held_against_what_the_model_does_to_itself() -> None:
    plan = dataclasses.replace(plan_of(SHADOWED, HALF), has_noise_twin=True)

    def noisy(at: float) -> Row:
        twin = copied(90, 10, at)
        twin.evidence.variant, twin.evidence.noise = "v1", True
        return twin

    rows = [each for at in range(40) for each in (copied(89, 11, float(at)), noisy(float(at)))]
    (verdict,) = judge_all(plan, plan.stages[0], look(plan, Observation(), *rows))
    assert (verdict.outcome, [count.arm for count in verdict.counts]) == ("pass", ["mirrored", "noise"])
    alone = plan_of(SHADOWED, HALF)
    assert outcomes(alone, 0, look(alone, Observation(), *rows)) == ["fail"]


def test_slow_calls_that_are_under_way_count_and_users_are_told_apart() -> None:
    slow = telemetry_pb2.SlowCount(bound=to_duration(0.2), count=3, beside=3)
    user = telemetry_pb2.BucketCounts(bucket=7, codes={"OK": 4}, slow=[slow])
    evidence = telemetry_pb2.Evidence(
        variant="v2", codes={"OK": 10, "CANCELLED": 5}, slow=[slow], buckets=[user]
    )
    evidence.latency.count = 10
    entry = Entry(Arm.CANDIDATE, evidence, "pod-1", 0.0)
    (found,) = strata(parse_criterion("latency_p99 < 200ms"), Arm.CANDIDATE, PLAN, [entry])
    assert (found.candidate.n, found.candidate.bad) == (13, 3)
    assert found.candidate.buckets == {7: (7, 3)}
    assert list(strata(parse_criterion("latency_p99 < 1s"), Arm.CANDIDATE, PLAN, [entry])) == []


def test_a_stratum_is_one_window_of_one_sidecar_under_one_snapshot() -> None:
    rows = [row("v1", 9, 1, 0.0), row("v2", 5, 2, 0.0), row("v2", 4, 1, 0.0, version=2), row("v2", 3, 0, 1.0)]
    entries = [
        Entry(Arm.STABLE if each.evidence.variant == "v1" else Arm.CANDIDATE, each.evidence, "p", each.start)
        for each in rows
    ]
    found = list(strata(parse_criterion(RATIO), Arm.CANDIDATE, PLAN, entries))
    assert [(each.candidate.n, each.other.n) for each in found] == [(5, 9), (4, 0), (3, 0)]
