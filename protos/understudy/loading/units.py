"""Numbers with units as people write them: `250ms`, `5%`, `64MiB`."""

import math
import re
from fractions import Fraction

_DURATION = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)(ms|us|s|m|h|d)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]i?)?B?")
_POWERS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_POWERS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_PERCENT = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?) ?%")
_LONGEST = 40  # characters of a number of bytes
MAX_SECONDS = 315_576_000_000.0
"""What google.protobuf.Duration holds: about ten thousand years."""


def parse_duration(text: str) -> float:
    """Seconds, from `250ms`, `2s`, `5m`, `1h`, `0.25s`; a ValueError says what would be right."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"must be a duration such as 250ms, 2s, 5m or 1h, got {text!r}")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if abs(seconds) > MAX_SECONDS:
        raise ValueError(f"must be a duration of at most ten thousand years, got {text!r}")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back, to the microsecond."""
    micros = round(seconds * 1e6)
    for unit, size in (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000)):
        if micros and micros % size == 0:
            return f"{micros // size}{unit}"
    if abs(micros) >= 1_000_000:
        return f"{micros / 1e6:g}s" if float(f"{micros / 1e6:g}") * 1e6 == micros else f"{micros}us"
    return f"{micros}us" if micros else "0s"


def parse_bytes(text: str) -> int:
    """Bytes, from `1048576`, `1024KiB`, `1MiB`, `1MB`."""
    match = _BYTES.fullmatch(text)
    size = Fraction(match[1]) * _POWERS[match[2] or ""] if match and len(text) <= _LONGEST else None
    if size is None or size.denominator != 1 or size >= 2**64:
        raise ValueError(f"must be a number of bytes such as 64MiB or 1048576, got {text!r}")
    return int(size)


def parse_percent(text: str) -> float:
    """The number in front of `%`."""
    match = _PERCENT.fullmatch(text)
    number = float(match[1]) if match else math.nan
    if not math.isfinite(number):
        raise ValueError(f"must be a number or a percentage such as 5%, got {text!r}")
    return number
