"""A streaming call's requests, read one at a time."""

import asyncio
from collections.abc import Sequence

from grpc.aio import EOF

from proxy.engines.copies import TOO_LARGE
from proxy.engines.grpc_aio.call import Context
from proxy.engines.kept import Kept
from proxy.policy.admission import MirrorLimits


class Requests:
    """The caller's messages. A read once begun is never cancelled: its message would be lost."""

    def __init__(self, context: Context, tasks: asyncio.TaskGroup) -> None:
        self._context = context
        self._tasks = tasks
        self._ready: list[bytes | None] = []
        self._reading: asyncio.Task[bytes | None] | None = None
        self._taken: list[bytes] = []  # before it was known whether anybody wants them
        self._kept: Kept | None = None
        self._seen = 0

    @property
    def is_single(self) -> bool:
        """There was one message and no more."""
        return self._seen == 1

    def keep(self, room: int, limits: MirrorLimits) -> None:
        """From now on keep them for copies, as far as there is room."""
        self._kept = Kept(room, limits)
        for message in self._taken:
            self._kept.add(message)
        self._taken.clear()

    def take(self) -> tuple[Sequence[bytes], int] | None:
        """All that came and their size, once."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        messages, size = kept.parts, kept.held
        kept.forget()
        return ((), TOO_LARGE) if messages is None else (messages, size)

    def forget(self) -> None:
        """Nobody will copy them."""
        if self._kept is not None:
            self._kept.forget()

    async def first(self) -> bytes | None:
        """The first message, however long it takes; it stays to be read."""
        if not self._ready:
            self._ready.append(self._take(await self._finished(self._read())))
        return self._ready[0]

    async def next(self) -> bytes | None:
        """The next message; None after the caller's half-close."""
        if self._ready:
            return self._ready.pop(0)
        return self._take(await self._finished(self._read()))

    def stop(self) -> None:
        """No more is wanted."""
        if self._reading is not None:
            self._reading.cancel()

    async def _finished(self, reading: asyncio.Task[bytes | None]) -> asyncio.Task[bytes | None]:
        await asyncio.wait([reading])
        return reading

    def _read(self) -> asyncio.Task[bytes | None]:
        if self._reading is None:
            self._reading = self._tasks.create_task(_read_request(self._context), name="request")
        return self._reading

    def _take(self, reading: asyncio.Task[bytes | None]) -> bytes | None:
        self._reading = None
        message = reading.result()
        if message is not None:
            self._seen += 1
            if self._kept is not None:
                self._kept.add(message)
            elif self._seen == 1:
                self._taken.append(message)
        return message


async def _read_request(context: Context) -> bytes | None:
    message = await context.read()
    return None if message is EOF else message
