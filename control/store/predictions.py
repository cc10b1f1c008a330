"""What sidecars recorded of predictions, for labels that may come; or that came before."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, func, select
from sqlalchemy.dialects.sqlite import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import telemetry_pb2

from control.outcomes.scoring import is_recorded_right
from control.outcomes.tally import Tally
from control.store.outcome_rows import Call, append, label_shadow, primary_arm, rows_of, settle
from control.store.outcome_tables import outcomes, predictions

KEPT_PREDICTIONS = 1_000_000


async def take_predictions(
    connection: AsyncConnection, report: telemetry_pb2.TelemetryReportRequest, now: float
) -> None:
    """Within the transaction that takes a report: keep what was predicted, count what has a label already."""
    if not report.predictions:
        return
    rows = [_row(report.service, one) for one in report.predictions]
    statement = insert_or_skip(predictions).on_conflict_do_nothing().returning(predictions)
    new = _by_call((await connection.execute(statement, rows)).all())
    tally, settled = Tally(), []
    for outcome in await _labels_of(connection, list(new)):
        call = (outcome.time_ms, outcome.nonce, outcome.service)
        for row in new[call]:
            label_shadow(tally, row, outcome.label, outcome.output)
        right = recorded_primary(new[call], outcome.label, outcome.output)
        if not outcome.settled and right is not None:
            tally.label(primary_arm(new[call][0]), is_right=right)
            settled.append(call)
    await settle(connection, settled)
    await append(connection, tally, now)
    newest = select(func.max(predictions.c.id)).scalar_subquery()
    await connection.execute(delete(predictions).where(predictions.c.id <= newest - KEPT_PREDICTIONS))


async def predictions_of(connection: AsyncConnection, calls: Sequence[Call]) -> dict[Call, list[Row[Any]]]:
    """What was recorded of these calls: one row for each shadow."""
    if not calls:
        return {}
    query = rows_of(predictions, calls).order_by(predictions.c.id)
    return _by_call((await connection.execute(query)).all())


def recorded_primary(found: Sequence[Row[Any]], label: str, output: str) -> bool | None:
    """Whether the variant that served a call was right, by the record; None where that does not say."""
    return is_recorded_right(label, found[0].primary_prediction, output) if found else None


async def _labels_of(connection: AsyncConnection, calls: Sequence[Call]) -> Sequence[Row[Any]]:
    if not calls:
        return []
    query = rows_of(outcomes, calls).where(outcomes.c.label.is_not(None))
    found: Sequence[Row[Any]] = (await connection.execute(query)).all()
    return found


def _by_call(rows: Sequence[Row[Any]]) -> dict[Call, list[Row[Any]]]:
    found: dict[Call, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.time_ms, row.nonce, row.service].append(row)
    return dict(found)


def _row(service: str, one: telemetry_pb2.RecordedPrediction) -> dict[str, Any]:
    return {
        "time_ms": one.time_ms,
        "nonce": one.nonce,
        "service": service,
        "route": one.route,
        "primary_variant": one.primary,
        "shadow_variant": one.shadow,
        "primary_label": one.primary_version,
        "shadow_label": one.shadow_version,
        "epoch": one.epoch,
        "version": one.version,
        "bucket": one.bucket if one.HasField("bucket") else None,
        "primary_prediction": one.primary_prediction,
        "shadow_prediction": one.shadow_prediction,
    }
