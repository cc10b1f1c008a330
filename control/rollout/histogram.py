"""Latency distributions, merged over sidecars and windows, and the quantiles read from them.

Source: OpenTelemetry data model, exponential histogram: at scale s, bucket i holds the values in
(base^i, base^(i+1)] with base = 2^(2^-s). Two histograms of different scales merge at the lower one, since
two neighbours of scale s are exactly one bucket of scale s - 1. Buckets are kept sparse, so that no message
can make a merge allocate by the distance between its values.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from understudy.v1 import telemetry_pb2

SCALE = 5
"""32 buckets for each doubling: a bucket's geometric middle is within 1.09 % of all its values."""

_SCALES = range(-10, 21)  # what OpenTelemetry allows
_EXPONENTS = 1100  # no finite float lies outside of 2^±1100


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell into each bucket, and what all of them add up to, in seconds."""

    buckets: Mapping[int, int] = field(default_factory=dict)  # index -> count
    zeros: int = 0  # values of zero or below
    sum: float = 0.0
    scale: int = SCALE

    @property
    def count(self) -> int:
        return self.zeros + sum(self.buckets.values())

    def merge(self, other: "Histogram") -> "Histogram":
        return merge_all((self, other))

    def quantile(self, q: float) -> float | None:
        """The value at rank ceil(q * count), to the middle of its bucket; None where nothing was seen."""
        count = self.count
        if count == 0:
            return None
        rank = max(1, math.ceil(round(q * count, 9)))
        if rank <= self.zeros:
            return 0.0
        reached = self.zeros
        for index in sorted(self.buckets):
            reached += self.buckets[index]
            if reached >= rank:
                return _middle(index, self.scale)
        raise ValueError(f"a quantile lies between 0 and 1, got {q}")

    def at_scale(self, scale: int) -> "Histogram":
        """The same values in the coarser buckets of a lower scale."""
        if scale == self.scale:
            return self
        shift = self.scale - scale
        if shift < 0:
            raise ValueError(f"a histogram of scale {self.scale} cannot be refined to scale {scale}")
        buckets: dict[int, int] = {}
        for index, count in self.buckets.items():
            buckets[index >> shift] = buckets.get(index >> shift, 0) + count
        return Histogram(buckets, self.zeros, self.sum, scale)

    def to_proto(self) -> telemetry_pb2.Histogram:
        message = telemetry_pb2.Histogram(
            scale=self.scale, zero_count=self.zeros, count=self.count, sum=self.sum
        )
        if self.buckets:
            first, last = min(self.buckets), max(self.buckets)
            message.offset = first
            message.bucket_counts.extend(self.buckets.get(index, 0) for index in range(first, last + 1))
        return message


def from_proto(message: telemetry_pb2.Histogram) -> Histogram:
    """The message as a value; a ValueError says what no sidecar may send."""
    if message.scale not in _SCALES:
        raise ValueError(f"scale must be from -10 to 20, got {message.scale}")
    if not (math.isfinite(message.sum) and message.sum >= 0):
        raise ValueError(f"sum must be a finite number of seconds, not below 0, got {message.sum}")
    buckets = {message.offset + place: count for place, count in enumerate(message.bucket_counts) if count}
    limit = math.ldexp(_EXPONENTS, message.scale)
    if buckets and not -limit <= min(buckets) <= max(buckets) <= limit:
        raise ValueError(f"offset {message.offset} puts values outside of what a float holds")
    histogram = Histogram(buckets, message.zero_count, message.sum, message.scale)
    if histogram.count != message.count:
        raise ValueError(f"count must be the sum of all buckets, {histogram.count}, got {message.count}")
    return histogram


def merge_all(histograms: Iterable[Histogram]) -> Histogram:
    """All values of all of them, at the lowest scale among them."""
    filled = [each for each in histograms if each.count]
    if not filled:
        return Histogram()
    scale = min(each.scale for each in filled)
    buckets: dict[int, int] = {}
    for each in filled:
        for index, count in each.at_scale(scale).buckets.items():
            buckets[index] = buckets.get(index, 0) + count
    return Histogram(buckets, sum(each.zeros for each in filled), math.fsum(h.sum for h in filled), scale)


def _middle(index: int, scale: int) -> float:
    exponent = math.ldexp(index + 0.5, -scale)
    return 2.0**exponent if exponent < 1024 else math.inf
