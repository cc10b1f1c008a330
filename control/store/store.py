"""The whole store, opened and closed as one."""

import asyncio

from control.store.comparisons import ComparisonLog
from control.store.database import Database, open_database
from control.store.evidence import EvidenceLog
from control.store.outbox import Outbox
from control.store.outcomes import OutcomeLog
from control.store.retention import Forgetting
from control.store.rollouts import Rollouts
from control.store.services import Services


class Store:
    """Everything that is kept, by what it is of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.services = Services(database)
        self.rollouts = Rollouts(database)
        self.evidence = EvidenceLog(database)
        self.comparisons = ComparisonLog(database)
        self.outcomes = OutcomeLog(database)
        self.outbox = Outbox(database)
        self.forgetting = Forgetting(database)

    def __repr__(self) -> str:
        return f"<Store {self._database!r}>"

    @property
    def trouble(self) -> str:
        """What keeps it from being written now; empty: nothing does."""
        return self._database.trouble.reason

    async def next_epoch(self, above: int = 0) -> int:
        """A number that no start of this store had before, and that is above another."""
        return await self._database.next_epoch(above)

    async def close(self) -> None:
        """Finish what was asked for and give the file free."""
        await self._database.close()


async def open_store(address: str, tasks: asyncio.TaskGroup) -> Store:
    """The store at a checked `sqlite:///PATH`, at work in a task group; CannotStart says why not."""
    database = await open_database(address)
    database.start(tasks)
    return Store(database)
