"""What outcomes and predictions have in common: the call they are of, and what is written once they met."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, Table, and_, bindparam, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from control.outcomes.scoring import is_recorded_right
from control.outcomes.tally import ArmKey, Tally
from control.store.outcome_tables import outcome_totals, outcomes
from control.store.own_evidence import append_own

NODE = "outcomes"
"""Stands where evidence has the sidecar that reported it."""

COUNTS = ("right", "labelled", "scored", "score_sum")
KEY = ("service", "route", "variant", "label", "mirrored")

Call = tuple[int, str, str]
"""Time of the call in milliseconds, nonce, service."""

CALL = ("time_ms", "nonce", "service")


def rows_of(table: Table, calls: Sequence[Call]) -> Select[tuple[Any, ...]]:
    """The table's rows of these calls: one look into its index for each (a list of row values would be held
    against every row there is).
    """
    wanted = func.json_each(json.dumps(calls)).table_valued("value", name="wanted")
    parts = (func.json_extract(wanted.c.value, f"$[{place}]") for place in range(len(CALL)))
    is_of = and_(*(table.c[name] == part for name, part in zip(CALL, parts, strict=True)))
    return select(table).select_from(wanted.join(table, is_of))


def shadow_arm(row: Row[Any]) -> ArmKey:
    """Whose prediction a recorded shadow's is."""
    return ArmKey(
        service=row.service,
        route=row.route,
        variant=row.shadow_variant,
        label=row.shadow_label,
        mirrored=True,
        epoch=row.epoch,
        version=row.version,
        bucket=row.bucket,
    )


def primary_arm(row: Row[Any]) -> ArmKey:
    """Whose prediction a recorded primary's is."""
    shadow = shadow_arm(row)
    return shadow._replace(variant=row.primary_variant, label=row.primary_label, mirrored=False)


def label_shadow(tally: Tally, row: Row[Any], label: str, output: str) -> None:
    """Count a shadow's prediction as right or wrong, if it can be told."""
    right = is_recorded_right(label, row.shadow_prediction, output)
    if right is not None:
        tally.label(shadow_arm(row), is_right=right)


async def settle(connection: AsyncConnection, calls: Sequence[Call]) -> None:
    """The primary's predictions of these calls have been counted."""
    if calls:
        mine = and_(*(outcomes.c[name] == bindparam(f"of_{name}") for name in CALL))
        statement = update(outcomes).where(mine, outcomes.c.label.is_not(None)).values(settled=True)
        rows = [{f"of_{name}": value for name, value in zip(CALL, call, strict=True)} for call in calls]
        await connection.execute(statement, rows)


async def append(connection: AsyncConnection, tally: Tally, now: float) -> None:
    """Write what was counted: as evidence, and into the totals."""
    arms = list(tally.arms())
    await append_own(connection, ((key.service, entry) for key, entry in arms), NODE, now)
    for key, entry in arms:
        await _add_to_totals(connection, key, {name: getattr(entry.outcomes, name) for name in COUNTS}, now)


async def _add_to_totals(
    connection: AsyncConnection, key: ArmKey, counts: dict[str, float], now: float
) -> None:
    """Rows are as many as there are versions of variants, and stay."""
    columns = outcome_totals.c
    mine = {name: getattr(key, name) for name in KEY}
    query = select(outcome_totals).where(*(columns[name] == value for name, value in mine.items()))
    before = (await connection.execute(query)).mappings().one_or_none()
    if before:
        counts = {name: before[name] + count for name, count in counts.items()}
    values: dict[str, Any] = counts | {"updated_at": now}
    statement = upsert(outcome_totals).values(**mine, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=KEY, set_=values))
