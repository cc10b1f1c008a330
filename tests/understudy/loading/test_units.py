"""Durations, bytes and percentages as people write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.loading import format_duration, parse_duration
from understudy.loading.units import MAX_SECONDS, parse_bytes, parse_percent

MICROS = int(MAX_SECONDS) * 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("2s", 2.0),
        ("0.25s", 0.25),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1.5h", 5400.0),
        ("1d", 86400.0),
        ("7us", 7e-6),
        ("0s", 0.0),
        ("-3s", -3.0),
        ("+3s", 3.0),
    ],
)
def test_a_duration_in_every_notation(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "ms",
        "5 s",
        " 5s",
        "5s\n",
        "5S",
        "5sec",
        "1h30m",
        "1e3s",
        ".5s",
        "5.s",
        "٣s",
        "infs",
        "nan",
        "½s",
    ],
)
def test_what_is_no_duration_is_told_what_is(text):
    with pytest.raises(ValueError, match="must be a duration such as 250ms, 2s, 5m or 1h, got"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3652501d", "-315576000001s", "9" * 500 + "h"])
def test_a_duration_ends_at_ten_thousand_years(text):
    with pytest.raises(ValueError, match="at most ten thousand years"):
        parse_duration(text)


@given(micros=st.integers(-MICROS // 1000, MICROS // 1000) | st.integers(-(10**7), 10**7))
def test_a_duration_is_read_back_as_it_was_written(micros):
    assert round(parse_duration(format_duration(micros / 1e6)) * 1e6) == micros


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250ms"),
        (2.0, "2s"),
        (0, "0s"),
        (300, "5m"),
        (3600, "1h"),
        (90, "90s"),
        (1.5, "1500ms"),
        (7e-6, "7us"),
    ],
)
def test_a_duration_is_written_short(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1048576", 2**20),
        ("1024KiB", 2**20),
        ("1MiB", 2**20),
        ("1Mi", 2**20),
        ("1 MiB", 2**20),
        ("1MB", 10**6),
        ("1M", 10**6),
        ("0.5KiB", 512),
        ("2GiB", 2**31),
        ("3TB", 3 * 10**12),
        ("5B", 5),
        ("0", 0),
        ("1.001KB", 1001),
        ("8.2MB", 8_200_000),
        ("9007199254740993", 2**53 + 1),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_bytes_in_every_notation_exactly(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1.5", "1.0001KiB", "1mib", "1 000", "1_000", "16777216TiB", "٣MiB", "1e3", "MiB", "9" * 9999],
)
def test_what_is_no_number_of_bytes_is_told_what_is(text):
    with pytest.raises(ValueError, match="must be a number of bytes such as 64MiB or 1048576, got"):
        parse_bytes(text)


@given(
    mantissa=st.integers(0, 10**6), digits=st.integers(0, 6), unit=st.sampled_from(["K", "Mi", "GB", "TiB"])
)
def test_bytes_with_a_fraction_are_exact_or_refused(mantissa, digits, unit):
    size = {"K": 10**3, "Mi": 2**20, "GB": 10**9, "TiB": 2**40}[unit]
    exact = Fraction(mantissa, 10**digits) * size
    text = f"{mantissa // 10**digits}.{mantissa % 10**digits:0{digits}}" if digits else str(mantissa)
    if exact.denominator == 1:
        assert parse_bytes(text + unit) == exact
    else:
        with pytest.raises(ValueError, match="must be a number of bytes"):
            parse_bytes(text + unit)


@pytest.mark.parametrize(("text", "number"), [("5%", 5.0), ("0.5 %", 0.5), ("-1%", -1.0), ("+100%", 100.0)])
def test_a_percentage(text, number):
    assert parse_percent(text) == number


@pytest.mark.parametrize("text", ["5", "%", "5%%", "1e1%", "٣%", "nan%", "inf%", "9" * 400 + "%"])
def test_what_is_no_percentage_is_told_what_is(text):
    with pytest.raises(ValueError, match="must be a number or a percentage such as 5%, got"):
        parse_percent(text)
