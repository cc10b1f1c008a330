"""How many outcomes are remembered, and from when on: what is forgotten must not count a second time.

Two numbers in `meta`: how many rows there are, and the time of the calls before which none is known any more.
An outcome of such a call is as one beyond the horizon.
"""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from control.store.outcome_tables import outcomes
from control.store.schema import meta

KEPT_OUTCOMES = 10_000_000
"""Rows; about 62 bytes each."""

AT_ONCE = 5_000
"""Rows that one transaction forgets at most, give or take those of one millisecond."""

_COUNT, _OLDEST = "outcomes_kept", "outcomes_known_from"


async def known_from(connection: AsyncConnection) -> int:
    """Milliseconds since 1970: outcomes of calls before it may have counted already."""
    return await _number(connection, _OLDEST) or 0


async def forget(connection: AsyncConnection, added: int, before_ms: int) -> None:
    """After so many new rows: drop those of calls before that time, and the oldest of too many."""
    kept = await _number(connection, _COUNT)
    if kept is None:
        kept = int((await connection.execute(select(func.count()).select_from(outcomes))).scalar_one())
    else:
        kept += added
    until = await _oldest(connection, AT_ONCE, before_ms) or before_ms
    if kept > KEPT_OUTCOMES:
        excess = await _oldest(connection, min(kept - KEPT_OUTCOMES, AT_ONCE) - 1)
        until = max(until, (excess or 0) + 1)
        await _keep(connection, _OLDEST, until)
    gone = await connection.execute(delete(outcomes).where(outcomes.c.time_ms < until))
    await _keep(connection, _COUNT, kept - gone.rowcount)


async def _oldest(connection: AsyncConnection, place: int, before_ms: int | None = None) -> int | None:
    """When the call was whose outcome has this place, from the oldest on."""
    query = select(outcomes.c.time_ms).order_by(outcomes.c.time_ms).offset(place).limit(1)
    if before_ms is not None:
        query = query.where(outcomes.c.time_ms < before_ms)
    return (await connection.execute(query)).scalar_one_or_none()


async def _number(connection: AsyncConnection, key: str) -> int | None:
    return (await connection.execute(select(meta.c.value).where(meta.c.key == key))).scalar_one_or_none()


async def _keep(connection: AsyncConnection, key: str, value: int) -> None:
    statement = upsert(meta).values(key=key, value=value)
    await connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
