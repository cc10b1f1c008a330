"""The `Telemetry` service: checks a report, keeps it once, and passes on what it says."""

from typing import Any

from understudy.checks import Violation
from understudy.checks.names import check_name
from understudy.v1 import telemetry_pb2, telemetry_pb2_grpc

from control.api.errors import refuse_fields, refusing
from control.clock import Clock
from control.delivery.fleet import Fleet
from control.delivery.recent import Recent
from control.rollout.histogram import from_proto
from control.store.evidence import STORABLE, EvidenceLog

MAX_ENTRIES = 10_000


class Telemetry(telemetry_pb2_grpc.TelemetryServicer):
    """Takes the reports of the whole fleet."""

    def __init__(self, log: EvidenceLog, fleet: Fleet, recent: Recent, clock: Clock) -> None:
        self._log = log
        self._fleet = fleet
        self._recent = recent
        self._clock = clock

    async def Report(  # noqa: N802 - the method's name in the .proto
        self, request: telemetry_pb2.TelemetryReportRequest, context: Any
    ) -> telemetry_pb2.TelemetryReportResponse:
        """Answered once it is kept; one that is here already is answered alike."""
        if violations := check_report(request):
            await refuse_fields(context, violations)
        if self._fleet.is_ahead(request.service, request.node, request.boot_id):
            # What it saw, it saw of decisions that are not this store's: nothing here is judged by it.
            request.ClearField("evidence")
        async with refusing(context):
            is_new = await self._log.take(request, self._clock.wall())
        if is_new:
            health = {entry.variant: (entry.live, entry.reason) for entry in request.variants}
            self._recent.add(request, self._clock.monotonic())
            self._fleet.note_report(
                request.service, request.node, request.boot_id, health, self._clock.wall()
            )
        return telemetry_pb2.TelemetryReportResponse()


def check_report(report: telemetry_pb2.TelemetryReportRequest) -> list[Violation]:
    """Everything that makes a report useless."""
    violations = check_name(report.service, "service")
    for field in ("node", "boot_id"):
        if not getattr(report, field):
            violations.append(Violation(field, "is required"))
    if not 1 <= report.sequence < STORABLE:
        violations.append(Violation("sequence", f"must be from 1 to 2^63 - 1, got {report.sequence}"))
    start, end = report.window_start, report.window_end
    if (end.seconds, end.nanos) < (start.seconds, start.nanos):
        violations.append(Violation("window_end", "must not lie before window_start"))
    if max(len(report.evidence), len(report.exemplars), len(report.comparisons)) > MAX_ENTRIES:
        violations.append(Violation("evidence", f"must have at most {MAX_ENTRIES} entries"))
        return violations
    for index, entry in enumerate(report.evidence):
        violations += _check_evidence(entry, f"evidence[{index}]")
    return violations


def _check_evidence(entry: telemetry_pb2.Evidence, path: str) -> list[Violation]:
    violations = check_name(entry.variant, f"{path}.variant")
    if max(entry.epoch, entry.version) >= STORABLE:
        violations.append(Violation(f"{path}.version", "epoch and version must be below 2^63"))
    if entry.HasField("outcomes") or entry.readings:
        text = "outcomes and readings are the control service's own to write"
        violations.append(Violation(f"{path}.outcomes", text))
    try:
        from_proto(entry.latency)
    except ValueError as error:
        violations.append(Violation(f"{path}.latency", str(error)))
    return violations
