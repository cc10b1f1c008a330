"""Reports become arms."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout.evidence import arm_figures, calls, errors, match_rate, merge, observe, to_duration
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


@given(st.integers(1, 10**7).map(lambda n: n / 1e5))
def test_a_bound_survives_the_wire(bound: float) -> None:
    assert list(merge([row(latencies=(0.1,), slow={bound: 1})]).slow) == [round(bound, 9)]


def test_an_observation_is_of_the_stages_own_snapshot_and_arms() -> None:
    rows = [
        row("v1", codes={"OK": 1}, version=2),
        row("v1", codes={"OK": 10}, version=3),
        row("v1", codes={"OK": 100}, version=1, epoch=2),
        row("v1", codes={"OK": 1000}, version=9, route="testers"),
        row("v1", mirrored=True, mirror_outcomes={"match": 7}, version=9),
        row("v2", codes={"OK": 5}, version=3),
        row("v2", mirrored=True, mirror_outcomes={"match": 6}, version=3),
        row("v3", codes={"OK": 9}, version=3),
    ]
    found = observe(PLAN, rows, since=(1, 3), connected=2, acked=1, unconfirmed=("node-b",))
    assert found.stable.codes == {"OK": 110}
    assert found.candidate.codes == {"OK": 5}
    assert found.mirrored.outcomes == {"match": 6}
    assert (found.connected, found.acked, found.unconfirmed) == (2, 1, ("node-b",))


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
