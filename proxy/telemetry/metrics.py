"""Prometheus metrics, read from the ledger when they are scraped: a call pays nothing for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from proxy.policy.table import Table
from proxy.stats.ledger import Ledger

POWERS = range(-12, 7)
"""Histogram boundaries are powers of two from 2^-12 s (a quarter of a millisecond) to 2^6 s: exact."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the metrics show beside the ledger, as of now."""

    table: Table | None
    in_flight: Mapping[str, int]
    config_age: float | None  # seconds since the snapshot in force was applied
    config_rejected: int
    control_connected: bool | None  # None: no control service is configured


class SidecarCollector(Collector):
    """Everything a sidecar tells Prometheus."""

    def __init__(self, ledger: Ledger, seen: Callable[[], Seen]) -> None:
        self._ledger = ledger
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """All metrics, as of now."""
        seen = self._seen()
        service = seen.table.service if seen.table else ""
        yield from self._calls(service, seen)
        yield from self._mirrors(service)
        yield from _config(service, seen)

    def _calls(self, service: str, seen: Seen) -> Iterator[Metric]:
        totals = self._ledger.totals
        requests = CounterMetricFamily(
            "understudy_requests", "Calls that ended.", labels=("service", "variant", "method", "code")
        )
        for (variant, method, code), count in totals.requests.items():
            requests.add_metric((service, variant, method, code), count)
        yield requests
        yield self._latency(service)
        in_flight = GaugeMetricFamily(
            "understudy_requests_in_flight", "Calls under way.", labels=("service", "variant")
        )
        for variant, count in seen.in_flight.items():
            in_flight.add_metric((service, variant), count)
        yield in_flight
        fallbacks = CounterMetricFamily(
            "understudy_fallback",
            "Calls that the fallback took for a variant without a live address.",
            labels=("service", "variant"),
        )
        for variant, count in totals.fallbacks.items():
            fallbacks.add_metric((service, variant), count)
        yield fallbacks
        refused = CounterMetricFamily(
            "understudy_refused", "Calls that the sidecar answered itself.", labels=("service", "reason")
        )
        for reason, count in totals.refused.items():
            refused.add_metric((service, reason), count)
        yield refused
        too_late = CounterMetricFamily(
            "understudy_sticky_key_too_late",
            "Calls whose sticky key may lie beyond the bytes searched.",
            labels=("service",),
        )
        too_late.add_metric((service,), totals.sticky_key_too_late)
        yield too_late

    def _latency(self, service: str) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "understudy_request_duration_seconds",
            "Time from a call's arrival to its end, cancelled calls left out.",
            labels=("service", "variant"),
        )
        totals = self._ledger.totals
        for variant, histogram in totals.latency.items():
            counts = [(repr(2.0**power), float(histogram.count_up_to(power))) for power in POWERS]
            counts.append(("+Inf", float(histogram.count)))
            buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            for power, bucket in enumerate(counts, POWERS.start):
                traced = totals.traced.get((variant, power))
                if traced is None:
                    buckets.append(bucket)
                else:
                    buckets.append((*bucket, Exemplar({"trace_id": traced[1]}, traced[0])))
            family.add_metric((service, variant), buckets, histogram.sum)
        return family

    def _mirrors(self, service: str) -> Iterator[Metric]:
        totals = self._ledger.totals
        outcomes = CounterMetricFamily(
            "understudy_mirror", "Copies by what became of them.", labels=("service", "variant", "outcome")
        )
        for (variant, outcome), count in totals.mirror_outcomes.items():
            outcomes.add_metric((service, variant, outcome), count)
        yield outcomes
        seen = CounterMetricFamily(
            "understudy_mirror_seen", "Calls chosen to be copied.", labels=("service", "variant")
        )
        for variant, count in totals.mirror_seen.items():
            seen.add_metric((service, variant), count)
        yield seen


def _config(service: str, seen: Seen) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "understudy_config_info", "The snapshot in force.", labels=("service", "epoch", "version")
    )
    if seen.table is not None:
        info.add_metric((service, str(seen.table.epoch), str(seen.table.version)), 1)
    yield info
    if seen.config_age is not None:
        age = GaugeMetricFamily(
            "understudy_config_age_seconds", "Since the snapshot in force was applied.", labels=("service",)
        )
        age.add_metric((service,), seen.config_age)
        yield age
    rejected = CounterMetricFamily(
        "understudy_config_rejected", "Snapshots that were refused.", labels=("service",)
    )
    rejected.add_metric((service,), seen.config_rejected)
    yield rejected
    if seen.control_connected is not None:
        connected = GaugeMetricFamily(
            "understudy_control_connected", "1 while the control service is there.", labels=("service",)
        )
        connected.add_metric((service,), float(seen.control_connected))
        yield connected


def registry(ledger: Ledger, seen: Callable[[], Seen]) -> CollectorRegistry:
    """A registry of a sidecar's own metrics alone."""
    own = CollectorRegistry(auto_describe=False)
    own.register(SidecarCollector(ledger, seen))
    return own
