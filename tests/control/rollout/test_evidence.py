"""Reports become arms."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout.evidence import arm_figures, calls, errors, match_rate, merge, to_duration
from control.rollout.model import DEFAULT_ERROR_CODES, ArmEvidence
from tests.support.rollouts import copies, histogram, live, make_plan, seen

PLAN = make_plan()


def row(variant: str = "v2", latencies: tuple[float, ...] = (), **fields: Any) -> telemetry_pb2.Evidence:
    slow = [
        telemetry_pb2.SlowCount(bound=to_duration(bound), count=count)
        for bound, count in fields.pop("slow", {}).items()
    ]
    fields = {"route": "predict", "epoch": 1, "version": 1} | fields
    return telemetry_pb2.Evidence(
        variant=variant, latency=histogram(latencies).to_proto(), slow=slow, **fields
    )


def test_rows_add_up() -> None:
    merged = merge(
        [
            row(codes={"OK": 2, "INTERNAL": 1}, latencies=(0.1, 0.2, 0.4), fallbacks=1),
            row(codes={"OK": 3}, latencies=(0.1, 0.1, 0.1), mirror_outcomes={"match": 2}),
        ]
    )
    assert merged.codes == {"OK": 5, "INTERNAL": 1}
    assert merged.fallbacks == 1
    assert merged.latency == histogram((0.1, 0.2, 0.4, 0.1, 0.1, 0.1))
    assert (merged.matched, merged.mismatched) == (2, 0)


def test_no_rows_are_no_evidence() -> None:
    assert merge([]) == ArmEvidence()
    assert merge([row()]) == ArmEvidence()


def test_a_bound_is_known_only_where_every_row_with_calls_counted_it() -> None:
    both = [row(latencies=(0.1,), slow={0.2: 0, 0.05: 1}), row(latencies=(0.3,), slow={0.2: 1})]
    assert merge(both).slow == {0.2: 1}
    assert merge([*both, row(fallbacks=1)]).slow == {0.2: 1}
    assert merge([*both, row(latencies=(0.1,))]).slow == {}


def test_slow_calls_that_have_not_ended_and_outcomes_add_up_too() -> None:
    slow = telemetry_pb2.SlowCount(bound=to_duration(0.2), count=3, beside=2)
    known = telemetry_pb2.OutcomeCounts(right=8, labelled=10, scored=2, score_sum=1.5)
    hanging = telemetry_pb2.Evidence(variant="v2", slow=[slow], outcomes=known)
    merged = merge([hanging, hanging, row(latencies=(0.1,), slow={0.2: 0})])
    assert (merged.slow, merged.beside, merged.latency.count) == ({0.2: 6}, {0.2: 4}, 1)
    assert (merged.right, merged.labelled, merged.scored, merged.score_sum) == (16, 20, 4, 3.0)


@given(st.integers(1, 10**7).map(lambda n: n / 1e5))
def test_a_bound_survives_the_wire(bound: float) -> None:
    assert list(merge([row(latencies=(0.1,), slow={bound: 1})]).slow) == [round(bound, 9)]


def test_what_counts_as_a_call_and_as_an_error() -> None:
    arm = ArmEvidence(
        codes={"OK": 10, "CANCELLED": 4, "UNAVAILABLE": 2, "NOT_FOUND": 1},
        fallbacks=3,
        outcomes={"match": 5, "mismatch": 1, "uncompared": 2, "error": 1, "deadline": 1, "dropped_bytes": 9},
    )
    assert calls(arm, mirrored=False) == 16
    assert errors(arm, DEFAULT_ERROR_CODES, mirrored=False) == 5
    assert calls(arm, mirrored=True) == 10
    assert errors(arm, DEFAULT_ERROR_CODES, mirrored=True) == 2
    assert match_rate(arm) == pytest.approx(5 / 6)
    assert match_rate(ArmEvidence()) is None


def test_figures_of_the_arms() -> None:
    stable, candidate, mirrored = arm_figures(PLAN, seen(live(900, errors=9), live(100), copies(40, 10)))
    assert (stable.variant, stable.calls, stable.errors, stable.share) == ("v1", 900, 9, 0.9)
    assert (candidate.variant, candidate.share, candidate.mirrored) == ("v2", 0.1, False)
    assert (mirrored.variant, mirrored.mirrored, mirrored.share) == ("v2", True, 0.0)
    assert (mirrored.matched, mirrored.mismatched) == (40, 10)
    assert candidate.latency_p99.ToMilliseconds() == pytest.approx(50, rel=0.03)


def test_without_calls_there_are_no_latencies() -> None:
    for figures in arm_figures(PLAN, seen()):
        assert not figures.HasField("latency_p50")
        assert figures.share == 0
    assert to_duration(None) is None
