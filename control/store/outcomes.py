"""Outcomes of past predictions: each counted once, as evidence of the arm that made the prediction.

    outcome ──────── first of its kind for the call? ──▶ right, wrong or a score of the variant that served
       │ a label                                    └──▶ right or wrong of every shadow that was recorded
       ▼
    kept ◀── either may come first ──▶ predictions, with the sidecars' reports

What was found out in one transaction is one row of evidence for each arm, with an arrival number like any
other, so that rollouts judge it and decisions can be derived again. An outcome is remembered for the horizon:
until then it is known when it comes again, afterwards its ticket is too old. So it is before, where there are
more than can be remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.sqlite import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import outcomes_pb2

from control.outcomes.intake import Kind, Known
from control.outcomes.scoring import is_right
from control.outcomes.tally import ArmKey, Tally
from control.store.database import Database, transactional
from control.store.outcome_limits import forget, known_from
from control.store.outcome_rows import CALL, Call, append, label_shadow, settle
from control.store.outcome_tables import outcome_totals, outcomes, predictions
from control.store.predictions import predictions_of, recorded_primary

PRUNED_AT_ONCE = 5_000
IDENTITY = tuple(outcomes.c[name] for name in (*CALL, "kind"))


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some outcomes; `unmatched` of the accepted are labels that nothing was held against.

    `forgotten` has the places of those whose calls are too long ago to know whether they came before.
    """

    accepted: int
    duplicates: int
    unmatched: int
    forgotten: tuple[int, ...] = ()


class OutcomeLog:
    """The outcomes of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transactional
    async def take(
        self, connection: AsyncConnection, known: Sequence[Known], now: float, horizon: float
    ) -> Taken:
        """Count those that are the first of their kind for their call: all of them, or none at all."""
        oldest = await known_from(connection)
        forgotten = tuple(place for place, one in enumerate(known) if one.ticket.time_ms < oldest)
        known = [one for one in known if one.ticket.time_ms >= oldest]
        new = await _insert_new(connection, known, now)
        recorded = await predictions_of(connection, [_call(one) for one in new if one.label is not None])
        tally, settled, unmatched = Tally(), [], 0
        for one in new:
            found = recorded.get(_call(one), ()) if one.label is not None else ()
            right = _served_right(one, found)
            if one.kind is Kind.SCORE:
                tally.score(_served_by(one), one.score)
            elif right is not None:
                tally.label(_served_by(one), is_right=right)
                settled.append(_call(one))
            unmatched += one.kind is Kind.VERDICT and right is None and not found
            for row in found:
                label_shadow(tally, row, one.label or "", one.output)
        await settle(connection, settled)
        await append(connection, tally, now)
        before_ms = int((now - horizon) * 1000)
        await forget(connection, len(new), before_ms)
        await _prune(connection, before_ms)
        return Taken(len(new), len(known) - len(new), unmatched, forgotten)

    @transactional
    async def figures(self, connection: AsyncConnection, service: str) -> list[outcomes_pb2.OutcomeFigures]:
        """All that is known of every version of every variant."""
        columns = outcome_totals.c
        order = (columns.mirrored, columns.route, columns.variant, columns.label)
        query = select(outcome_totals).where(columns.service == service).order_by(*order)
        return [_figures(row) for row in await connection.execute(query)]


def _figures(row: Row[Any]) -> outcomes_pb2.OutcomeFigures:
    return outcomes_pb2.OutcomeFigures(
        route=row.route,
        variant=row.variant,
        version=row.label,
        mirrored=row.mirrored,
        right=row.right,
        labelled=row.labelled,
        accuracy=row.right / row.labelled if row.labelled else None,
        scored=row.scored,
        score_mean=row.score_sum / row.scored if row.scored else None,
    )


def _call(one: Known) -> Call:
    return one.ticket.time_ms, one.ticket.nonce, one.ticket.service


def _served_by(one: Known) -> ArmKey:
    ticket = one.ticket
    return ArmKey(
        service=ticket.service,
        route=ticket.route,
        variant=ticket.variant,
        label=ticket.label,
        mirrored=False,
        epoch=ticket.epoch,
        version=ticket.version,
        bucket=ticket.bucket,
    )


def _served_right(one: Known, found: Sequence[Row[Any]]) -> bool | None:
    """Whether the variant that served the call was right; None where that cannot be told yet."""
    if one.correct is not None:
        return one.correct
    if one.label is None:
        return None
    if one.predicted is not None:
        return is_right(one.label, one.predicted)
    return recorded_primary(found, one.label, one.output)


async def _insert_new(connection: AsyncConnection, known: Sequence[Known], now: float) -> list[Known]:
    """Keep those that are the first of their kind for their call."""
    if not known:
        return []
    rows = [
        dict(zip((*CALL, "kind"), one.identity, strict=True))
        | {"label": one.label, "output": one.output, "received_at": now}
        | {"settled": one.label is None or one.predicted is not None}
        for one in known
    ]
    statement = insert_or_skip(outcomes).on_conflict_do_nothing().returning(*IDENTITY)
    unseen = {tuple(row) for row in await connection.execute(statement, rows)}
    new = []
    for one in known:
        if one.identity in unseen:
            unseen.discard(one.identity)  # twice in one batch counts once, too
            new.append(one)
    return new


async def _prune(connection: AsyncConnection, before_ms: int) -> None:
    """Forget predictions that are older than any whose label would be taken; some at a time."""
    time_ms = predictions.c.time_ms
    later = select(time_ms).where(time_ms < before_ms).order_by(time_ms).offset(PRUNED_AT_ONCE).limit(1)
    until = (await connection.execute(later)).scalar_one_or_none() or before_ms
    await connection.execute(delete(predictions).where(time_ms < until))
