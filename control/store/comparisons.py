"""What comparing shadows found: counts for all, a row for each mismatch and some of the matches.

Written within the transaction that takes a report, so that a report sent again counts once. Rows are
bounded for each service and outcome, totals for each service: the oldest make way.
"""

from collections import Counter
from typing import Any

from sqlalchemy import delete, insert, or_, select, tuple_
from sqlalchemy.dialects.sqlite import insert as insert_or_replace
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import services_pb2, telemetry_pb2

from control.store.database import Database, transactional
from control.store.schema import comparison_details, comparison_totals, comparisons
from control.times import to_seconds

KEPT_ROWS = 1000
"""Of each service and outcome."""

KEPT_TOTALS = 1000
"""Of each service: routes, variants and versions that were ever compared."""

KEY = ("service", "route", "variant", "label", "noise")


class ComparisonLog:
    """The comparisons of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transactional
    async def figures(self, connection: AsyncConnection, service: str) -> list[services_pb2.ShadowFigures]:
        """Every version of every shadow that got copies; match rates are the reader's."""
        columns = comparison_totals.c
        order = (columns.noise, columns.route, columns.variant, columns.label)
        query = select(comparison_totals).where(columns.service == service).order_by(*order)
        return [
            services_pb2.ShadowFigures(
                route=row.route,
                variant=row.variant,
                version=row.label,
                noise=row.noise,
                matched=row.matched,
                mismatched=row.mismatched,
                max_absolute=row.max_absolute,
                max_relative=row.max_relative,
                outcomes=row.outcomes,
            )
            for row in await connection.execute(query)
        ]

    @transactional
    async def mismatches(
        self, connection: AsyncConnection, service: str, limit: int
    ) -> list[telemetry_pb2.ComparisonRecord]:
        """The newest of them first; those with a second copy of a primary are left out."""
        outcome = comparison_details.c.outcome
        query = (
            select(comparison_details.c.message)
            .where(comparison_details.c.service == service)
            .where(or_(outcome.startswith("mismatch_", autoescape=True), outcome == "error"))
            .order_by(comparison_details.c.comparison.desc())
        )
        found = await connection.execute(query)
        records = (telemetry_pb2.ComparisonRecord.FromString(row.message) for row in found)
        return [record for record in records if not record.noise][:limit]


async def take_comparisons(
    connection: AsyncConnection, report: telemetry_pb2.TelemetryReportRequest, now: float
) -> None:
    """Count what a report compared, and keep its records."""
    for entry in report.evidence:
        if entry.mirrored:
            await _count(connection, report.service, entry, now)
    for record in report.comparisons:
        found = await connection.execute(insert(comparisons).values(_row(record)))
        details = {
            "comparison": found.inserted_primary_key[0],  # type: ignore[index]  # it has one
            "service": report.service,
            "outcome": record.outcome,
            "message": record.SerializeToString(deterministic=True),
        }
        await connection.execute(insert(comparison_details).values(details))
    for outcome in {record.outcome for record in report.comparisons}:
        await _prune_rows(connection, report.service, outcome)


async def _count(
    connection: AsyncConnection, service: str, entry: telemetry_pb2.Evidence, now: float
) -> None:
    key = dict(zip(KEY, (service, entry.route, entry.variant, entry.label, entry.noise), strict=True))
    columns = comparison_totals.c
    query = select(comparison_totals).where(*(columns[name] == value for name, value in key.items()))
    before = (await connection.execute(query)).one_or_none()
    new = entry.comparisons
    outcomes = Counter(before.outcomes if before else {}) + Counter(entry.mirror_outcomes)
    values = {
        "matched": new.matched + (before.matched if before else 0),
        "mismatched": new.mismatched + (before.mismatched if before else 0),
        "max_absolute": max(new.max_absolute, before.max_absolute if before else 0.0),
        "max_relative": max(new.max_relative, before.max_relative if before else 0.0),
        "outcomes": dict(outcomes),
        "updated_at": now,
    }
    statement = insert_or_replace(comparison_totals).values(**key, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=KEY, set_=values))
    if before is None:
        await _prune_totals(connection, service)


async def _prune_totals(connection: AsyncConnection, service: str) -> None:
    names = [comparison_totals.c[name] for name in KEY]
    mine = comparison_totals.c.service == service
    newest = select(*names).where(mine).order_by(comparison_totals.c.updated_at.desc()).limit(KEPT_TOTALS)
    await connection.execute(delete(comparison_totals).where(mine, tuple_(*names).not_in(newest)))


async def _prune_rows(connection: AsyncConnection, service: str, outcome: str) -> None:
    number = comparison_details.c.comparison
    mine = (comparison_details.c.service == service, comparison_details.c.outcome == outcome)
    old = select(number).where(*mine).order_by(number.desc()).limit(-1).offset(KEPT_ROWS)
    await connection.execute(delete(comparisons).where(comparisons.c.id.in_(old)))


def _row(record: telemetry_pb2.ComparisonRecord) -> dict[str, Any]:
    return {
        "timestamp": to_seconds(record.time),
        "primary_version": record.primary_version or record.primary,
        "shadow_version": record.shadow_version or record.shadow,
        "primary_prediction": record.primary_prediction or None,
        "shadow_prediction": record.shadow_prediction or None,
        "primary_latency_ms": to_seconds(record.primary_latency) * 1000,
        "shadow_latency_ms": to_seconds(record.shadow_latency) * 1000,
        "match": record.match,
        "outcome": record.outcome,
    }
