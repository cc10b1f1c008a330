"""A base-2 exponential histogram of seconds.

Bucket i of scale 5 holds values in (2^(i/32), 2^((i+1)/32)]: 32 buckets a doubling, a relative error of
1.09 % at most. Values below a microsecond or above an hour go to the outermost buckets.

Source: OpenTelemetry, "Metrics Data Model", ExponentialHistogram.
"""

from bisect import bisect_left

SCALE = 5
_FACTOR = 1 << SCALE
LOWEST = -20 * _FACTOR  # just above 2^-20 s, about a microsecond
HIGHEST = 12 * _FACTOR - 1  # up to 2^12 s, above an hour
_SIZE = HIGHEST - LOWEST + 1


_TOPS = [
    2.0 ** (index // _FACTOR) * 2.0 ** (index % _FACTOR / _FACTOR) for index in range(LOWEST + 1, HIGHEST + 1)
]
"""The largest value of every bucket but the last; exact where it is a power of two."""


def bucket_of(seconds: float) -> int:
    """The index of the bucket that holds a positive value."""
    return LOWEST + bisect_left(_TOPS, seconds)


class Histogram:
    """Counts of values by bucket."""

    __slots__ = ("count", "counts", "sum", "zero_count")

    def __init__(self) -> None:
        self.counts = [0] * _SIZE
        self.zero_count = 0
        self.count = 0
        self.sum = 0.0

    def __repr__(self) -> str:
        return f"<Histogram {self.count} values, {self.sum:g} s>"

    def record(self, seconds: float) -> None:
        """Count one value."""
        self.count += 1
        if seconds <= 0.0:
            self.zero_count += 1
            return
        self.sum += seconds
        self.counts[bisect_left(_TOPS, seconds)] += 1

    def trimmed(self) -> tuple[int, list[int]]:
        """The index of the first bucket that is not empty, and the counts from there to the last."""
        first = next((i for i, count in enumerate(self.counts) if count), None)
        if first is None:
            return 0, []
        last = next(i for i in range(_SIZE - 1, -1, -1) if self.counts[i])
        return first + LOWEST, self.counts[first : last + 1]

    def count_up_to(self, power: int) -> int:
        """Values of at most 2^power seconds, exactly: powers of two are bucket boundaries."""
        return self.zero_count + sum(self.counts[: max(power * _FACTOR - LOWEST, 0)])
