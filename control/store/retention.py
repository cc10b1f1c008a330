"""What is forgotten, and when: nothing that a rollout is judged by, or could be decided again from.

Evidence is needed from a rollout's start on, for as long as it runs and for as long after its end as
evidence is kept at all. Some rows at a time, each time a transaction, so that nobody waits long.
"""

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from control.store.database import Database, transactional
from control.store.schema import decisions, evidence, outbox, reports, rollouts, stages, transitions

AT_ONCE = 2_000
"""Rows looked at in one transaction."""

KEEP_REPORTS = 24 * 3600.0
"""Seconds for which a report that comes again is known: sidecars give up long before."""


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many seconds what is kept."""

    evidence: float = 7 * 24 * 3600.0  # after its rollout's end, or after it came, where it is of none
    audit: float = 365 * 24 * 3600.0  # after a rollout's end
    sidecars: float = 24 * 3600.0  # after they were last heard of


class Forgetting:
    """Deletes from a store what is old enough."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def prune(self, now: float, keep: Keep) -> int:
        """Forget all that is old enough; how many rows that were."""
        count, after = 0, 0
        while True:
            looked_at, gone, last = await self.evidence(after, now - keep.evidence)
            count, after = count + gone, last
            if not looked_at:
                break
        while gone := await self.reports(now - KEEP_REPORTS):
            count += gone
        return count + await self.rollouts(now - keep.audit)

    @transactional
    async def evidence(self, connection: AsyncConnection, after: int, before: float) -> tuple[bool, int, int]:
        """Of the next rows those that no rollout needs; whether there may be more, and after which."""
        some = select(evidence.c.arrival, evidence.c.received_at)
        some = some.where(evidence.c.arrival > after).order_by(evidence.c.arrival).limit(AT_ONCE)
        found = (await connection.execute(some)).all()
        old = [row.arrival for row in found if (row.received_at or 0.0) < before]
        if not old:
            return False, 0, after
        needed = exists().where(
            rollouts.c.service == evidence.c.service,
            or_(rollouts.c.active, rollouts.c.ended_at >= before),
            func.coalesce(rollouts.c.evidence_after, 0) < evidence.c.arrival,
        )
        mine = and_(evidence.c.arrival > after, evidence.c.arrival <= old[-1])
        is_old = func.coalesce(evidence.c.received_at, 0.0) < before
        over = and_(rollouts.c.active.is_(False), rollouts.c.ended_at < before)
        await connection.execute(update(rollouts).where(over).values(evidence_gone=True))
        gone = await connection.execute(delete(evidence).where(mine, is_old, ~needed))
        return len(old) == AT_ONCE, gone.rowcount, old[-1]

    @transactional
    async def reports(self, connection: AsyncConnection, before: float) -> int:
        """Some of those that will not come again."""
        key = (reports.c.node, reports.c.boot_id, reports.c.sequence)
        old = select(*key).where(reports.c.received_at < before).limit(AT_ONCE)
        rows = [dict(zip(("n", "b", "s"), row, strict=True)) for row in await connection.execute(old)]
        if rows:
            mine = and_(*(column == bindparam(name) for column, name in zip(key, "nbs", strict=True)))
            await connection.execute(delete(reports).where(mine), rows)
        return len(rows)

    @transactional
    async def rollouts(self, connection: AsyncConnection, before: float) -> int:
        """Those that ended long ago, with their audit; and letters of that age."""
        old = select(rollouts.c.name).where(
            rollouts.c.active.is_(False), rollouts.c.ended_at < before, rollouts.c.retire_at.is_(None)
        )
        names = list((await connection.execute(old)).scalars())
        for table in (decisions, transitions, stages):
            await connection.execute(delete(table).where(table.c.rollout.in_(names)))
        await connection.execute(delete(rollouts).where(rollouts.c.name.in_(names)))
        letters = await connection.execute(delete(outbox).where(outbox.c.created_at < before))
        return len(names) + letters.rowcount
