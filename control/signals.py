"""Telling whoever waits that something is different now."""

import asyncio


class Changes:
    """A count that grows at every change, and a way to wait until it has grown past what was seen.

    No change is lost between two waits, and any number of changes in between are one.
    """

    def __init__(self) -> None:
        self._count = 0
        self._waiting = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Changes {self._count}>"

    @property
    def count(self) -> int:
        return self._count

    def announce(self) -> None:
        """Something changed."""
        self._count += 1
        waiting, self._waiting = self._waiting, asyncio.Event()
        waiting.set()

    async def after(self, seen: int) -> int:
        """Wait until the count is past `seen`; what it is then."""
        while self._count <= seen:
            await self._waiting.wait()
        return self._count
