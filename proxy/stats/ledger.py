"""What became of every call and copy, as counters.

Two books over the same events: totals since the start (for Prometheus), and a window (for reports) that is
taken away whole and begun anew.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from proxy.compare.answers import Comparison
from proxy.policy.table import Table
from proxy.stats.exemplars import Exemplars
from proxy.stats.histogram import Histogram
from proxy.stats.records import Record, Records, last

MAX_METHODS = 100
"""Method names that get a series of their own; callers choose them, so there must be an end."""

OTHER = "other"


@dataclass(slots=True)
class Arm:
    """Counts of one (route, variant, live or mirrored) under one configuration."""

    codes: Counter[str] = field(default_factory=Counter)
    fallbacks: int = 0
    latency: Histogram = field(default_factory=Histogram)
    slow: Counter[float] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    matched: int = 0
    mismatched: int = 0
    max_absolute: float = 0.0
    max_relative: float = 0.0
    label: str = ""  # the variant's version


ArmKey = tuple[str, str, bool, int, int]
"""Route, variant, mirrored, epoch, version."""


@dataclass(slots=True)
class Window:
    """Everything since the last report; `noise` holds what became of second copies of a primary."""

    arms: dict[ArmKey, Arm] = field(default_factory=lambda: defaultdict(Arm))
    noise: dict[ArmKey, Arm] = field(default_factory=lambda: defaultdict(Arm))
    records: Records = field(default_factory=Records)
    exemplars: Exemplars = field(default_factory=Exemplars)


@dataclass(slots=True)
class Totals:
    """Everything since the start, by the labels of the metrics."""

    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # variant, method, code
    latency: dict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))  # variant
    traced: dict[tuple[str, int], tuple[float, str]] = field(default_factory=dict)  # (variant, 2^n) -> s, id
    fallbacks: Counter[str] = field(default_factory=Counter)  # intended variant
    mirror_outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)  # variant, outcome
    mirror_seen: Counter[str] = field(default_factory=Counter)  # variant
    refused: Counter[str] = field(default_factory=Counter)  # reason
    sticky_key_too_late: int = 0


class Ledger:
    """Records events; synchronous, called from the event loop only."""

    def __init__(self, mismatches: int = 200) -> None:
        self.totals = Totals()
        self.mismatches = last(mismatches)
        self._window = Window()
        self._methods: set[str] = set()

    def __repr__(self) -> str:
        return f"<Ledger {self.totals.requests.total()} requests, {len(self._window.arms)} arms>"

    def call(
        self,
        table: Table,
        route: str,
        variant: str,
        method: str,
        code: str,
        latency: float,
        *,
        evidence: bool = True,
        trace_id: str = "",
    ) -> None:
        """A call ended. `evidence` is false for one that the variant served for another or for nobody."""
        totals = self.totals
        totals.requests[variant, self._method_label(method), code] += 1
        if code != "CANCELLED":
            totals.latency[variant].record(latency)
            if trace_id:
                totals.traced[variant, _power_of(latency)] = latency, trace_id
        if not evidence:
            return
        arm = self._window.arms[route, variant, False, table.epoch, table.version]
        arm.codes[code] += 1
        if code != "CANCELLED":
            _record_latency(arm, latency, table)
            self._window.exemplars.offer(route, variant, False, code, latency, trace_id)  # noqa: FBT003

    def fallback(self, table: Table, route: str, intended: str) -> None:
        """A call meant for a variant without a live address went to the fallback."""
        self.totals.fallbacks[intended] += 1
        self._window.arms[route, intended, False, table.epoch, table.version].fallbacks += 1

    def refused(self, reason: str) -> None:
        """A call that reached no model server, by the sidecar's own decision."""
        self.totals.refused[reason] += 1

    def mirror_seen(self, variant: str) -> None:
        """A call was chosen to be copied; exactly one `mirror` follows."""
        self.totals.mirror_seen[variant] += 1

    def mirror(self, table: Table, route: str, variant: str, outcome: str, *, noise: bool = False) -> None:
        """What became of a copy."""
        self.totals.mirror_outcomes[variant, outcome] += 1
        self._mirrored(table, route, variant, noise=noise).outcomes[outcome] += 1

    def mirror_answer(
        self,
        table: Table,
        route: str,
        variant: str,
        code: str,
        latency: float,
        trace_id: str,
        *,
        noise: bool = False,
    ) -> None:
        """A shadow answered, or failed to."""
        arm = self._mirrored(table, route, variant, noise=noise)
        arm.codes[code] += 1
        _record_latency(arm, latency, table)
        self._window.exemplars.offer(route, variant, True, code, latency, trace_id)  # noqa: FBT003

    def comparison(
        self,
        table: Table,
        route: str,
        variant: str,
        found: Comparison,
        latency: float,
        trace_id: str,
        *,
        noise: bool = False,
    ) -> None:
        """Two answers were held together."""
        arm = self._mirrored(table, route, variant, noise=noise)
        arm.matched += found.matches
        arm.mismatched += not found.matches
        arm.max_absolute = max(arm.max_absolute, found.max_absolute)
        arm.max_relative = max(arm.max_relative, found.max_relative)
        if not found.matches:
            self._window.exemplars.mismatch(route, variant, latency, trace_id)

    def record(self, record: Record) -> None:
        """Keep one comparison for itself; it has been counted."""
        self._window.records.offer(record)
        if record.is_mismatch:
            self.mismatches.append(record)

    def take_window(self) -> Window:
        """Everything since this was last called."""
        taken, self._window = self._window, Window()
        return taken

    def _mirrored(self, table: Table, route: str, variant: str, *, noise: bool) -> Arm:
        arms = self._window.noise if noise else self._window.arms
        arm = arms[route, variant, True, table.epoch, table.version]
        if not arm.label and variant in table.variants:
            arm.label = table.variants[variant].version
        return arm

    def _method_label(self, method: str) -> str:
        if method not in self._methods:
            if len(self._methods) >= MAX_METHODS:
                return OTHER
            self._methods.add(method)
        return method


def _record_latency(arm: Arm, latency: float, table: Table) -> None:
    arm.latency.record(latency)
    if not arm.slow:
        arm.slow.update(dict.fromkeys(table.latency_bounds, 0))  # none slower is a count, too
    for bound in table.latency_bounds:
        if latency <= bound:
            break
        arm.slow[bound] += 1


def _power_of(latency: float) -> int:
    """The smallest n with latency <= 2^n seconds, from -12 to the 7 that stands for all above 2^6."""
    power = -12
    while power < 7 and latency > 2.0**power:
        power += 1
    return power
