"""What happens once to each of many connections and is waited for of few: asyncio.Event takes 900 bytes."""

import asyncio


class Once:
    """Has happened, or has not yet."""

    __slots__ = ("_event", "has_happened")

    def __init__(self) -> None:
        self.has_happened = False
        self._event: asyncio.Event | None = None  # while somebody waits

    def __repr__(self) -> str:
        return f"<Once {'happened' if self.has_happened else 'not yet'}>"

    def happen(self) -> None:
        """Now; again is nothing."""
        self.has_happened = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Until it has happened."""
        if not self.has_happened:
            self._event = self._event or asyncio.Event()
            await self._event.wait()
