"""Exponential buckets: held against exact integer arithmetic and OpenTelemetry's own mapping."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.logarithm_mapping import (
    LogarithmMapping,
)

from proxy.stats.histogram import HIGHEST, LOWEST, SCALE, Histogram, bucket_of

OTEL = LogarithmMapping(SCALE)
INSIDE = st.floats(2.0**-19.9, 2.0**12)


def is_above_bound(value: float, index: int) -> bool:
    """value > 2^(index / 32), in whole numbers: both sides to the 32nd power."""
    numerator, denominator = value.as_integer_ratio()
    left, right = numerator**32, denominator**32
    return left > right << index if index >= 0 else left << -index > right


@given(INSIDE)
def test_a_value_lies_between_the_bounds_of_its_bucket(value):
    index = bucket_of(value)
    if not is_above_bound(value, index):
        assert not is_above_bound(math.nextafter(value, 0), index)  # a double's rounding, no more
        assert index % 32 != 0
    assert not is_above_bound(math.nextafter(value, 0), index + 1)


@given(INSIDE)
def test_it_is_opentelemetry_s_bucket_but_for_rounding_at_its_edge(value):
    neighbours = (math.nextafter(value, 0), value, math.nextafter(value, math.inf))
    assert bucket_of(value) in {OTEL.map_to_index(one) for one in neighbours}


@pytest.mark.parametrize("power", range(-19, 13))
def test_powers_of_two_are_boundaries_to_the_last_bit(power):
    value = 2.0**power
    assert bucket_of(value) == power * 32 - 1
    assert bucket_of(math.nextafter(value, 0)) == power * 32 - 1
    if power < 12:
        assert bucket_of(math.nextafter(value, math.inf)) == power * 32


@given(INSIDE, INSIDE)
def test_a_larger_value_is_never_in_an_earlier_bucket(a, b):
    low, high = sorted((a, b))
    assert bucket_of(low) <= bucket_of(high)


@pytest.mark.parametrize(
    ("value", "index"),
    [(5e-324, LOWEST), (1e-9, LOWEST), (2.0**-20, LOWEST), (4097.0, HIGHEST), (1e300, HIGHEST)],
)
def test_what_is_out_of_range_goes_to_the_outermost_bucket(value, index):
    assert bucket_of(value) == index


@given(st.lists(st.floats(-1, 5000) | st.floats(1e-4, 1)))
def test_counts_add_up_and_trimming_loses_nothing(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    offset, counts = histogram.trimmed()
    assert histogram.count == len(values) == histogram.zero_count + sum(counts)
    assert histogram.zero_count == sum(value <= 0 for value in values)
    assert histogram.sum == pytest.approx(sum(value for value in values if value > 0))
    assert not counts or (counts[0] and counts[-1])
    for value in values:
        assert value <= 0 or counts[bucket_of(value) - offset] > 0


def test_an_empty_histogram_has_nothing_to_show():
    assert Histogram().trimmed() == (0, [])
    assert repr(Histogram()) == "<Histogram 0 values, 0 s>"


@given(st.lists(st.floats(2.0**-13, 200) | st.integers(-13, 7).map(lambda n: 2.0**n)), st.integers(-12, 6))
def test_a_count_up_to_a_power_of_two_is_exact(values, power):
    histogram = Histogram()
    histogram.record(0.0)
    for value in values:
        for one in (value, math.nextafter(value, math.inf), math.nextafter(value, 0)):
            histogram.record(one)
    bound = 2.0**power
    exact = sum(
        one <= bound
        for value in values
        for one in (value, math.nextafter(value, math.inf), math.nextafter(value, 0))
    )
    assert histogram.count_up_to(power) == exact + 1


def test_counts_below_and_above_the_whole_range():
    histogram = Histogram()
    for value in (0.0, 1e-7, 1.0, 1e5):
        histogram.record(value)
    assert [histogram.count_up_to(power) for power in (-30, -20, 0, 11, 12, 40)] == [1, 1, 3, 3, 4, 4]
