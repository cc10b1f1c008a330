"""What is still to be told: written in the transaction of what it tells of, kept until it was taken."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Update, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from control.store.database import Database, transactional
from control.store.schema import outbox


@dataclass(frozen=True, slots=True)
class Letter:
    """One event for one address; the store gives it its event id, the same at every address and every try."""

    url: str
    event: str  # phase, stage or rollback
    body: str  # a JSON object, without the id


@dataclass(frozen=True, slots=True)
class Posted:
    """A letter that waits."""

    event_id: str
    url: str
    body: str
    attempts: int


class Outbox:
    """The letters of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transactional
    async def due(
        self, connection: AsyncConnection, now: float, limit: int, busy: Collection[str] = ()
    ) -> list[Posted]:
        """Those to try now: for each address that is not busy the one that is due longest."""
        turn = func.row_number().over(
            partition_by=outbox.c.url, order_by=(outbox.c.due_at, outbox.c.created_at, outbox.c.event_id)
        )
        waiting = select(outbox, turn.label("turn")).where(
            outbox.c.delivered_at.is_(None), outbox.c.due_at <= now, outbox.c.url.not_in(busy)
        )
        first = waiting.subquery()
        query = select(first).where(first.c.turn == 1).order_by(first.c.due_at).limit(limit)
        found = await connection.execute(query)
        return [Posted(row.event_id, row.url, row.body, row.attempts) for row in found]

    @transactional
    async def next_due(self, connection: AsyncConnection, busy: Collection[str] = ()) -> float | None:
        """When the next one is to be tried at an address that is not busy; None: there is none."""
        mine = (outbox.c.delivered_at.is_(None), outbox.c.url.not_in(busy))
        query = select(func.min(outbox.c.due_at)).where(*mine)
        found: float | None = (await connection.execute(query)).scalar_one()
        return found

    @transactional
    async def delivered(self, connection: AsyncConnection, letter: Posted, now: float) -> None:
        """It was taken."""
        values = {"delivered_at": now, "attempts": letter.attempts + 1, "error": ""}
        await connection.execute(_one(letter).values(values))

    @transactional
    async def failed(self, connection: AsyncConnection, letter: Posted, error: str, due_at: float) -> None:
        """It was not; try again at `due_at`."""
        values = {"due_at": due_at, "attempts": letter.attempts + 1, "error": error}
        await connection.execute(_one(letter).values(values))


async def post(connection: AsyncConnection, letter: Letter, event_id: str, now: float) -> None:
    """Inside a transaction: have it told."""
    row = {"event_id": event_id, "url": letter.url, "body": letter.body, "created_at": now, "due_at": now}
    await connection.execute(insert(outbox).values(row | {"attempts": 0, "error": ""}))


def _one(letter: Posted) -> Update:
    return update(outbox).where(outbox.c.event_id == letter.event_id, outbox.c.url == letter.url)
