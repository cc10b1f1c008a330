"""What became of the calls of one arm in one window, and what becomes of those that are under way.

A call is slower than a bound from the moment it has taken longer, under way or not, and however it ends: it
is counted then, once, so that a model server which hangs is seen while it hangs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proxy.policy.table import Table
from proxy.stats.exemplars import Exemplars
from proxy.stats.histogram import Histogram
from proxy.stats.records import Prediction, Records


@dataclass(slots=True)
class Counts:
    """Calls by how they ended. `beside`: see SlowCount in telemetry.proto."""

    codes: Counter[str] = field(default_factory=Counter)
    fallbacks: int = 0
    slow: Counter[float] = field(default_factory=Counter)
    beside: Counter[float] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Arm(Counts):
    """Counts of one (route, variant, live or mirrored) under one configuration.

    `buckets` has those of them that belong to a user, by a hash of the user; the rest was drawn at random.
    """

    latency: Histogram = field(default_factory=Histogram)
    buckets: dict[int, Counts] = field(default_factory=lambda: defaultdict(Counts))
    matched: int = 0
    mismatched: int = 0
    max_absolute: float = 0.0
    max_relative: float = 0.0
    label: str = ""  # the variant's version
    drawn: int = 0  # calls that a random draw gave to this variant
    keys: list[int] = field(default_factory=list)  # hashes of the sticky keys that it was given first

    def counts(self, bucket: int | None) -> tuple[Counts, ...]:
        """Where a call of this bucket is counted."""
        return (self,) if bucket is None else (self, self.buckets[bucket])


ArmKey = tuple[str, str, bool, int, int]
"""Route, variant, mirrored, epoch, version."""


@dataclass(slots=True)
class Window:
    """Everything since the last report; `noise` holds what became of second copies of a primary."""

    arms: dict[ArmKey, Arm] = field(default_factory=lambda: defaultdict(Arm))
    noise: dict[ArmKey, Arm] = field(default_factory=lambda: defaultdict(Arm))
    records: Records = field(default_factory=Records)
    exemplars: Exemplars = field(default_factory=Exemplars)
    predictions: list[Prediction] = field(default_factory=list)

    def arm(self, table: Table, route: str, variant: str, *, mirrored: bool, noise: bool = False) -> Arm:
        """The arm of calls that this table decided."""
        arms = self.noise if noise else self.arms
        arm = arms[route, variant, mirrored, table.epoch, table.version]
        if mirrored and not arm.label and variant in table.variants:
            arm.label = table.variants[variant].version
        return arm


@dataclass(slots=True, eq=False)
class Flight:
    """A call or copy under way. `passed` of its table's bounds are behind it, and were counted."""

    table: Table
    route: str
    variant: str
    mirrored: bool
    noise: bool
    bucket: int | None
    started: float
    passed: int = 0

    @property
    def has_passed_all(self) -> bool:
        """There is no bound left that it could pass."""
        return self.passed == len(self.table.latency_bounds)

    def overtake(self, window: Window, now: float) -> None:
        """Count it as slower than every bound that it has passed by now."""
        bounds, took = self.table.latency_bounds, now - self.started
        if took <= bounds[self.passed]:
            return
        arm = window.arm(self.table, self.route, self.variant, mirrored=self.mirrored, noise=self.noise)
        know_bounds(arm, bounds)
        while not self.has_passed_all and took > bounds[self.passed]:
            for counts in arm.counts(self.bucket):
                counts.slow[bounds[self.passed]] += 1
                counts.beside[bounds[self.passed]] += 1
            self.passed += 1


def know_bounds(arm: Arm, bounds: Iterable[float]) -> None:
    """None slower than a bound is a count, too."""
    if bounds and not arm.slow:
        arm.slow.update(dict.fromkeys(bounds, 0))


def count_slow(
    counts: Counts, latency: float, bounds: Sequence[float], *, passed: int, in_histogram: bool
) -> None:
    """A call ended after `latency`; `passed` bounds were counted while it was under way."""
    for index, bound in enumerate(bounds):
        if latency <= bound:
            return
        if index >= passed:
            counts.slow[bound] += 1
            counts.beside[bound] += not in_histogram
        else:
            counts.beside[bound] -= in_histogram
