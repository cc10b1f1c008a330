"""The last minute of every service, as reports come in: what the status shows of live traffic.

In memory and by arrival: no decision is made on it, and it is whole again a minute after a restart.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field

from understudy.v1 import services_pb2, telemetry_pb2

from control.rollout.accumulation import combine
from control.rollout.evidence import calls, errors, match_rate, merge, to_duration
from control.rollout.model import DEFAULT_ERROR_CODES, ArmEvidence

SPAN = 60.0

Arm = tuple[str, bool]
"""A variant, and whether its copies are meant."""


@dataclass(slots=True)
class _Second:
    """What arrived within one second."""

    began: int
    arms: dict[Arm, ArmEvidence] = field(default_factory=dict)


class Recent:
    """Merged as it arrives, one entry for each second and arm."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[_Second]] = defaultdict(deque)
        self._first: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Recent {sorted(self._seconds)}>"

    def add(self, report: telemetry_pb2.TelemetryReportRequest, now: float) -> None:
        """A report came in; `now` never jumps."""
        self._first.setdefault(report.service, now - 1)
        seconds = self._seconds[report.service]
        if not seconds or seconds[-1].began != int(now):
            seconds.append(_Second(int(now)))
        _forget(seconds, now)
        rows = defaultdict(list)
        for row in report.evidence:
            if not row.noise:
                rows[row.variant, row.mirrored].append(row)
        arms = seconds[-1].arms
        for arm, found in rows.items():
            arms[arm] = combine(arms.get(arm, ArmEvidence()), merge(found))

    def variant(
        self, service: str, name: str, now: float
    ) -> tuple[services_pb2.LiveFigures, services_pb2.LiveFigures, float | None]:
        """One variant's live calls, its copies, and how many of those matched."""
        seconds = self._seconds.get(service, deque())
        _forget(seconds, now)
        span = min(SPAN, max(1.0, now - self._first.get(service, now)))
        live, copies = _total(seconds, (name, False)), _total(seconds, (name, True))
        return _figures(live, span, mirrored=False), _figures(copies, span, mirrored=True), match_rate(copies)


def _forget(seconds: deque[_Second], now: float) -> None:
    while seconds and seconds[0].began < now - SPAN:
        seconds.popleft()


def _total(seconds: deque[_Second], arm: Arm) -> ArmEvidence:
    total = ArmEvidence()
    for second in seconds:
        if arm in second.arms:
            total = combine(total, second.arms[arm])
    return total


def _figures(arm: ArmEvidence, span: float, *, mirrored: bool) -> services_pb2.LiveFigures:
    count = calls(arm, mirrored=mirrored)
    failed = errors(arm, DEFAULT_ERROR_CODES, mirrored=mirrored)
    return services_pb2.LiveFigures(
        calls=count,
        calls_per_second=count / span,
        error_rate=failed / count if count else None,
        latency_p50=to_duration(arm.latency.quantile(0.5)),
        latency_p99=to_duration(arm.latency.quantile(0.99)),
    )
