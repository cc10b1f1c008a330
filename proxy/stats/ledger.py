"""What became of every call and copy, as counters.

Two books over the same events: totals since the start (for Prometheus), and a window (for reports) that is
taken away whole and begun anew.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from proxy.compare.answers import ALIKE, Comparison
from proxy.policy.table import Route, Table
from proxy.stats.arms import Arm, Flight, Window, count_slow, know_bounds
from proxy.stats.histogram import Histogram
from proxy.stats.met import Met
from proxy.stats.records import PREDICTIONS, Prediction, Record, last

MAX_METHODS = 100
"""Method names that get a series of their own; callers choose them, so there must be an end."""

OTHER = "other"


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

    def __init__(self, mismatches: int = 200, secret: bytes = b"") -> None:
        self.totals = Totals()
        self.mismatches = last(mismatches)
        self._window = Window()
        self._flights: set[Flight] = set()
        self._methods: set[str] = set()
        self._met = Met(secret)

    def __repr__(self) -> str:
        return f"<Ledger {self.totals.requests.total()} requests, {len(self._window.arms)} arms>"

    def assign(self, table: Table, route: Route, variant: str, key: bytes | None) -> None:
        """A call was decided: its sticky key, or where there is none a draw, gave it to this variant.

        Of interest only while a rollout is under way, and where there is something to decide.
        """
        if not table.rollout or len(route.split.shares) < 2:
            return
        if key is None:
            self._window.arm(table, route.name, variant, mirrored=False).drawn += 1
        elif (met := self._met.first(table, route.name, key)) is not None:
            self._window.arm(table, route.name, variant, mirrored=False).keys.append(met)

    def depart(
        self,
        table: Table,
        route: str,
        variant: str,
        started: float,
        *,
        bucket: int | None = None,
        mirrored: bool = False,
        noise: bool = False,
    ) -> Flight | None:
        """A call or copy is under way; its end is told with what this gives. None: no bound asks for it."""
        if not table.latency_bounds:
            return None
        flight = Flight(table, route, variant, mirrored, noise, bucket, started)
        self._flights.add(flight)
        return flight

    def land(self, flight: Flight | None) -> int:
        """It is under way no more; how many bounds it was counted against."""
        if flight is None:
            return 0
        self._flights.discard(flight)
        return flight.passed

    def overtake(self, now: float) -> None:
        """Count what is under way and slow already, by the clock that `depart` was told of."""
        for flight in tuple(self._flights):
            flight.overtake(self._window, now)
            if flight.has_passed_all:
                self._flights.discard(flight)

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
        bucket: int | None = None,
        flight: Flight | None = None,
    ) -> None:
        """A call ended. `evidence` is false for one that the variant served for another or for nobody;
        `bucket` is its user's, None where it was drawn at random.
        """
        totals = self.totals
        totals.requests[variant, self._method_label(method), code] += 1
        if code != "CANCELLED":
            totals.latency[variant].record(latency)
            if trace_id:
                totals.traced[variant, _power_of(latency)] = latency, trace_id
        passed = self.land(flight)
        if not evidence:
            return
        arm = self._window.arm(table, route, variant, mirrored=False)
        _count(arm, bucket, code, latency, table, passed)
        if code != "CANCELLED":
            self._window.exemplars.offer(route, variant, False, code, latency, trace_id)  # noqa: FBT003

    def fallback(self, table: Table, route: str, intended: str, bucket: int | None = None) -> None:
        """A call meant for a variant without a live address went to the fallback."""
        self.totals.fallbacks[intended] += 1
        for counts in self._window.arm(table, route, intended, mirrored=False).counts(bucket):
            counts.fallbacks += 1

    def refused(self, reason: str) -> None:
        """A call that reached no model server, by the sidecar's own decision."""
        self.totals.refused[reason] += 1

    def mirror_seen(self, variant: str) -> None:
        """A call was chosen to be copied; exactly one `mirror` follows."""
        self.totals.mirror_seen[variant] += 1

    def mirror(
        self,
        table: Table,
        route: str,
        variant: str,
        outcome: str,
        *,
        noise: bool = False,
        bucket: int | None = None,
    ) -> None:
        """What became of a copy."""
        self.totals.mirror_outcomes[variant, outcome] += 1
        arm = self._window.arm(table, route, variant, mirrored=True, noise=noise)
        for counts in arm.counts(bucket):
            counts.outcomes[outcome] += 1

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
        bucket: int | None = None,
        flight: Flight | None = None,
    ) -> None:
        """A shadow answered, or failed to."""
        arm = self._window.arm(table, route, variant, mirrored=True, noise=noise)
        _count(arm, bucket, code, latency, table, self.land(flight))
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
        arm = self._window.arm(table, route, variant, mirrored=True, noise=noise)
        if found is ALIKE:
            arm.matched += 1
            return
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

    def predicted(self, prediction: Prediction) -> None:
        """Keep what was predicted, for a label that may come."""
        if len(self._window.predictions) < PREDICTIONS:
            self._window.predictions.append(prediction)

    def take_window(self) -> Window:
        """Everything since this was last called."""
        taken, self._window = self._window, Window()
        return taken

    def _method_label(self, method: str) -> str:
        if method not in self._methods:
            if len(self._methods) >= MAX_METHODS:
                return OTHER
            self._methods.add(method)
        return method


def _count(arm: Arm, bucket: int | None, code: str, latency: float, table: Table, passed: int) -> None:
    is_timed = code != "CANCELLED"
    if is_timed:
        arm.latency.record(latency)
    bounds = table.latency_bounds
    if bounds:
        know_bounds(arm, bounds)
    for counts in arm.counts(bucket):
        counts.codes[code] += 1
        if bounds:
            count_slow(counts, latency, bounds, passed=passed, in_histogram=is_timed)


def _power_of(latency: float) -> int:
    """The smallest n with latency <= 2^n seconds, from -12 to the 7 that stands for all above 2^6."""
    power = -12
    while power < 7 and latency > 2.0**power:
        power += 1
    return power
