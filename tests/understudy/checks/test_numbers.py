import math

import pytest
from google.protobuf.duration_pb2 import Duration
from understudy.checks.numbers import check_duration, check_positive_duration, check_range, seconds
from understudy.v1 import sidecar_pb2


def a_sidecar(**durations: Duration) -> sidecar_pb2.Sidecar:
    return sidecar_pb2.Sidecar(**durations)


@pytest.mark.parametrize("value", [0, 0.5, 1, -0.0])
def test_within_the_range_both_ends_included(value):
    assert check_range(value, 0, 1, "x") == []


@pytest.mark.parametrize(
    ("value", "high", "why"),
    [
        (1.5, 1, "must be from 0 to 1, got 1.5"),
        (-0.25, 1, "must be from 0 to 1, got -0.25"),
        (-1, math.inf, "must not be below 0, got -1"),
        (math.nan, math.inf, "must be a finite number, got nan"),
        (math.inf, math.inf, "must be a finite number, got inf"),
        (-math.inf, 1, "must be a finite number, got -inf"),
    ],
)
def test_beyond_the_range(value, high, why):
    (found,) = check_range(value, 0, high, "x")
    assert str(found) == f"x: {why}"


def test_seconds_of_a_duration():
    assert seconds(Duration(seconds=2, nanos=500_000_000)) == 2.5
    assert seconds(Duration(seconds=-2, nanos=-500_000_000)) == -2.5


def test_a_duration_that_is_not_set_breaks_no_rule():
    assert check_positive_duration(a_sidecar(), "drain_timeout", "") == []
    assert check_duration(a_sidecar(), "drain_delay", "") == []


def test_zero_is_a_duration_but_not_a_positive_one():
    sidecar = a_sidecar(drain_timeout=Duration(), drain_delay=Duration())
    (found,) = check_positive_duration(sidecar, "drain_timeout", "s")
    assert str(found) == "s.drain_timeout: must be longer than 0s, got 0s"
    assert check_duration(sidecar, "drain_delay", "s") == []


def test_a_duration_below_zero():
    sidecar = a_sidecar(drain_delay=Duration(nanos=-500_000_000))
    (found,) = check_duration(sidecar, "drain_delay", "")
    assert str(found) == "drain_delay: must not be below 0s, got -0.5s"
