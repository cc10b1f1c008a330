"""Merging and quantiles, held against exact ones."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout.histogram import Histogram, from_proto, merge_all
from tests.support.rollouts import histogram

latencies = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200)
quantiles = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


def exact(values: list[float], q: float) -> float:
    return sorted(values)[max(1, math.ceil(round(q * len(values), 9))) - 1]


@given(latencies, quantiles)
def test_a_quantile_is_within_a_bucket_of_the_exact_one(values: list[float], q: float) -> None:
    assert histogram(values).quantile(q) == pytest.approx(exact(values, q), rel=0.011)


@given(latencies, latencies, quantiles)
def test_merging_is_as_if_all_had_been_seen_at_once(
    first: list[float], second: list[float], q: float
) -> None:
    merged = histogram(first).merge(histogram(second))
    assert merged.quantile(q) == histogram(first + second).quantile(q)
    assert merged.count == len(first) + len(second)
    assert merged.sum == pytest.approx(sum(first) + sum(second))


@given(latencies, st.integers(0, 8))
def test_a_lower_scale_has_the_buckets_that_it_would_have_filled_itself(
    values: list[float], scale: int
) -> None:
    fine = {math.ceil(math.log2(value) * 2**8) - 1: 1 for value in values}
    coarse = Histogram(fine, scale=8).at_scale(scale)
    wanted: dict[int, int] = {}
    for index in fine:
        wanted[index // 2 ** (8 - scale)] = wanted.get(index // 2 ** (8 - scale), 0) + 1
    assert coarse.buckets == wanted


def test_merging_two_scales_ends_at_the_lower_one() -> None:
    merged = Histogram({0: 1, 1: 2, -1: 3}, scale=6).merge(Histogram({0: 5}, scale=5))
    assert (merged.scale, merged.buckets) == (5, {0: 8, -1: 3})


def test_a_histogram_is_not_refined() -> None:
    with pytest.raises(ValueError, match="cannot be refined to scale 6"):
        Histogram({0: 1}).at_scale(6)


def test_nothing_seen_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert merge_all([]).count == 0


def test_values_of_zero_come_first() -> None:
    mixed = Histogram({0: 1}, zeros=9)
    assert mixed.quantile(0.9) == 0.0
    assert mixed.quantile(1.0) == pytest.approx(2 ** (1 / 64))


def test_a_quantile_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        histogram([1.0]).quantile(2.0)


@given(latencies)
def test_a_message_and_back(values: list[float]) -> None:
    assert from_proto(histogram(values).to_proto()) == histogram(values)


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        ({"scale": 21}, "scale must be from -10 to 20, got 21"),
        ({"sum": math.nan}, "sum must be a finite number"),
        ({"sum": -1.0}, "sum must be a finite number"),
        ({"scale": 5, "offset": 10**6, "bucket_counts": [1], "count": 1}, "outside of what a float holds"),
        ({"bucket_counts": [1], "count": 2}, "count must be the sum of all buckets, 1, got 2"),
    ],
)
def test_what_no_sidecar_may_send(message: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        from_proto(telemetry_pb2.Histogram(**message))


def test_the_largest_value_stays_a_number() -> None:
    top = telemetry_pb2.Histogram(scale=-10, offset=1, bucket_counts=[1], count=1)
    assert from_proto(top).quantile(0.5) == math.inf
