"""What sidecars reported: appended with an arrival number, each report once, never pooled away."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.dialects.sqlite import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import telemetry_pb2

from control.store.comparisons import take_comparisons
from control.store.database import Database, transactional
from control.store.schema import evidence, exemplars, reports
from control.times import to_seconds

KEPT_EXEMPLARS = 200
"""Of each service and kind."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One arm in one window of one sidecar, and its place in the order of arrival."""

    arrival: int
    node: str
    evidence: telemetry_pb2.Evidence


class EvidenceLog:
    """The evidence of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transactional
    async def take(
        self, connection: AsyncConnection, report: telemetry_pb2.TelemetryReportRequest, now: float
    ) -> bool:
        """Keep a report; False: it is here already, and counts once."""
        identity = {"node": report.node, "boot_id": report.boot_id, "sequence": report.sequence}
        statement = insert_or_skip(reports).values(received_at=now, **identity).on_conflict_do_nothing()
        if (await connection.execute(statement)).rowcount != 1:
            return False
        if report.evidence:
            await connection.execute(insert(evidence), [_row(report, entry) for entry in report.evidence])
        await take_comparisons(connection, report, now)
        if report.exemplars:
            await _keep_exemplars(connection, report, now)
        return True

    @transactional
    async def since(
        self,
        connection: AsyncConnection,
        service: str,
        route: str,
        *,
        first: tuple[int, int],
        after: int,
    ) -> list[Arrived]:
        """What came after arrival number `after`, of calls decided by snapshot `first` or a later one."""
        query = (
            select(evidence.c.arrival, evidence.c.node, evidence.c.message)
            .where(evidence.c.service == service, evidence.c.route == route, evidence.c.arrival > after)
            .where(tuple_(evidence.c.epoch, evidence.c.version) >= first)
            .order_by(evidence.c.arrival)
        )
        found = await connection.execute(query)
        parse = telemetry_pb2.Evidence.FromString
        return [Arrived(row.arrival, row.node, parse(row.message)) for row in found]

    @transactional
    async def exemplars(
        self, connection: AsyncConnection, service: str, since: float, until: float | None = None
    ) -> list[telemetry_pb2.Exemplar]:
        """Calls worth looking at that came in between two moments, newest first."""
        query = (
            select(exemplars.c.message)
            .where(exemplars.c.service == service, exemplars.c.received_at >= since)
            .order_by(exemplars.c.id.desc())
        )
        if until is not None:
            query = query.where(exemplars.c.received_at <= until)
        parse = telemetry_pb2.Exemplar.FromString
        return [parse(row.message) for row in await connection.execute(query)]


def _row(report: telemetry_pb2.TelemetryReportRequest, entry: telemetry_pb2.Evidence) -> dict[str, object]:
    return {
        "service": report.service,
        "route": entry.route,
        "variant": entry.variant,
        "mirrored": entry.mirrored,
        "epoch": entry.epoch,
        "version": entry.version,
        "node": report.node,
        "window_start": to_seconds(report.window_start),
        "window_end": to_seconds(report.window_end),
        "codes": dict(entry.codes),
        "message": entry.SerializeToString(deterministic=True),
    }


async def _keep_exemplars(
    connection: AsyncConnection, report: telemetry_pb2.TelemetryReportRequest, now: float
) -> None:
    rows = [
        {
            "service": report.service,
            "kind": exemplar.kind,
            "received_at": now,
            "message": exemplar.SerializeToString(deterministic=True),
        }
        for exemplar in report.exemplars
    ]
    await connection.execute(insert(exemplars), rows)
    for kind in {exemplar.kind for exemplar in report.exemplars}:
        mine = (exemplars.c.service == report.service, exemplars.c.kind == kind)
        newest = select(exemplars.c.id).where(*mine).order_by(exemplars.c.id.desc()).limit(KEPT_EXEMPLARS)
        await connection.execute(delete(exemplars).where(*mine, exemplars.c.id.not_in(newest)))
