"""What sidecars reported: appended with an arrival number, each report once, never pooled away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.dialects.sqlite import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import telemetry_pb2

from control.store.comparisons import take_comparisons
from control.store.database import Database, transactional
from control.store.own_evidence import append_own
from control.store.predictions import take_predictions
from control.store.schema import evidence, exemplars, reports
from control.times import to_seconds

READINGS = "metrics"
"""Stands where evidence has the sidecar that reported it."""

STORABLE = 2**63
"""The first integer that the store cannot hold."""

KEPT_EXEMPLARS = 200
"""Of each service and kind."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One arm in one window of one sidecar, and its place in the order of arrival."""

    arrival: int
    node: str
    start: float  # of the window, by the sidecar's clock
    end: float
    evidence: telemetry_pb2.Evidence


class EvidenceLog:
    """The evidence of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._waiting: list[_Waiting] = []

    async def take(self, report: telemetry_pb2.TelemetryReportRequest, now: float) -> bool:
        """Keep a report; False: it is here already, and counts once.

        What comes in while the store is at work is written together, in one transaction: a fleet's reports
        cost one sync of the disk, not one each.
        """
        mine = _Waiting(report, now)
        self._waiting.append(mine)
        if len(self._waiting) == 1:
            await self._take_waiting()
        else:
            await asyncio.wait([mine.done])
        return mine.done.result()

    async def _take_waiting(self) -> None:
        """Write all that waits when it is the store's turn, and tell each what came of it."""
        batch: list[_Waiting] = []

        async def transaction(connection: AsyncConnection) -> list[bool]:
            batch.extend(self._waiting)
            self._waiting.clear()
            return await _take_all(connection, batch)

        try:
            kept = await self.database.run(transaction)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is everyone's who waits
            batch = batch or self._waiting
            for one in batch:
                one.fail(error)
            self._waiting = [one for one in self._waiting if not one.done.done()]
        else:
            for one, is_new in zip(batch, kept, strict=True):
                one.done.set_result(is_new)

    @transactional
    async def append_reading(
        self, connection: AsyncConnection, service: str, entry: telemetry_pb2.Evidence, now: float
    ) -> None:
        """Keep what another system was asked for."""
        await append_own(connection, [(service, entry)], READINGS, now)

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
            select(evidence)
            .where(evidence.c.service == service, evidence.c.route == route, evidence.c.arrival > after)
            .where(tuple_(evidence.c.epoch, evidence.c.version) >= first)
            .order_by(evidence.c.arrival)
        )
        found = await connection.execute(query)
        parse = telemetry_pb2.Evidence.FromString
        return [
            Arrived(row.arrival, row.node, row.window_start, row.window_end, parse(row.message))
            for row in found
        ]

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


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A report that is to be written, and who wants to know."""

    report: telemetry_pb2.TelemetryReportRequest
    received_at: float
    done: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def identity(self) -> tuple[str, str, int]:
        return (self.report.node, self.report.boot_id, self.report.sequence)

    def fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.done.cancel()
        else:
            self.done.set_exception(error)


async def _take_all(connection: AsyncConnection, batch: Sequence[_Waiting]) -> list[bool]:
    """Write every report that is not here already; which of them were new."""
    key = (reports.c.node, reports.c.boot_id, reports.c.sequence)
    statement = insert_or_skip(reports).on_conflict_do_nothing().returning(*key)
    names = ("node", "boot_id", "sequence")
    rows = [{**dict(zip(names, one.identity, strict=True)), "received_at": one.received_at} for one in batch]
    unseen = {tuple(row) for row in await connection.execute(statement, rows)}
    kept = []
    for one in batch:
        kept.append(one.identity in unseen)
        unseen.discard(one.identity)  # the same report twice in one batch counts once too
    new = [one for one, is_new in zip(batch, kept, strict=True) if is_new]
    if entries := [_row(one, entry) for one in new for entry in one.report.evidence]:
        await connection.execute(insert(evidence), entries)
    for one in new:
        await take_comparisons(connection, one.report, one.received_at)
        await take_predictions(connection, one.report, one.received_at)
        if one.report.exemplars:
            await _keep_exemplars(connection, one.report, one.received_at)
    return kept


def _row(one: _Waiting, entry: telemetry_pb2.Evidence) -> dict[str, object]:
    report = one.report
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
        "received_at": one.received_at,
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
