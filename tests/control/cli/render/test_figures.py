import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from control.cli.render import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0%"),
        (0.00001, "<0.01%"),
        (0.04, "0.04%"),
        (5, "5%"),
        (94.904, "94.9%"),
        (99.995, ">99.99%"),
        (100, "100%"),
    ],
)
def test_a_percentage_is_never_rounded_to_all_or_nothing(value, shown):
    assert figures.percent(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0ms"),
        (0.00042, "420us"),
        (0.0015, "1.5ms"),
        (0.012, "12ms"),
        (0.1324, "132ms"),
        (0.9996, "1s"),
        (2.345, "2.35s"),
    ],
)
def test_a_latency_has_three_digits_and_its_unit(seconds, shown):
    assert figures.latency(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0s"),
        (0.25, "250ms"),
        (59.9, "59s"),
        (60, "1m"),
        (725, "12m 05s"),
        (3600, "1h"),
        (3725, "1h 02m"),
        (90000, "1d 01h"),
    ],
)
def test_a_clock_shows_its_two_largest_units(seconds, shown):
    assert figures.clock(seconds) == shown


def test_a_time_that_never_was_is_a_dash():
    assert (figures.moment(Timestamp()), figures.age(Timestamp(), 10.0)) == ("-", "-")


def test_an_age_is_in_whole_seconds():
    assert figures.age(Timestamp(seconds=20), 20.5) == "0s ago"


def test_an_age_by_a_clock_that_runs_behind_is_not_negative():
    assert figures.age(Timestamp(seconds=20), 10.0) == "0s ago"


@pytest.mark.parametrize(
    ("sentence", "value", "shown"),
    [
        ("latency_p99 < 200ms", 0.132, "132ms"),
        ("error_rate <= stable + 0.5%", 0.0004, "0.04%"),
        ("accuracy > 0.93", 0.9512, "95.12%"),
        ("requests >= 100", 120, "120"),
    ],
)
def test_a_value_has_the_unit_of_its_metric(sentence, value, shown):
    assert figures.measure(sentence, value) == shown
