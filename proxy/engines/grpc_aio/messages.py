"""A streaming call's messages: the caller's, read one at a time, and the answers kept for comparing."""

import asyncio
from collections.abc import Sequence

from grpc.aio import EOF

from proxy.compare.answers import Answer
from proxy.engines.grpc_aio.call import Context
from proxy.engines.mirror import UNCOMPARED
from proxy.policy.table import Mirror


class Requests:
    """The caller's messages. A read once begun is never cancelled: its message would be lost."""

    def __init__(self, context: Context, tasks: asyncio.TaskGroup) -> None:
        self._context = context
        self._tasks = tasks
        self._ready: list[bytes | None] = []
        self._reading: asyncio.Task[bytes | None] | None = None
        self._only: bytes | None = None
        self._seen = 0

    @property
    def is_single(self) -> bool:
        """No second message has come."""
        return self._seen < 2

    def take_only(self) -> bytes | None:
        """The first message, once, as long as it is the only one."""
        only, self._only = self._only, None
        return only

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
            self._only = message if self._seen == 1 else None
        return message


class Kept:
    """Answers kept for comparing: none where nobody compares them."""

    def __init__(self, mirrors: Sequence[Mirror]) -> None:
        self._room = max((mirror.max_bytes for mirror in mirrors), default=-1)
        self._messages: list[bytes] = []

    def add(self, message: bytes) -> None:
        """Keep one message, as long as there is room."""
        if self._room >= 0:
            self._room -= len(message)
            self._messages.append(message)
            if self._room < 0:
                self._messages.clear()

    def forget(self) -> None:
        """Nothing will be compared."""
        self._room = -1
        self._messages.clear()

    def answer(self, code: str) -> Answer:
        """What is compared; nothing where it did not fit."""
        return Answer(code, tuple(self._messages)) if self._room >= 0 else UNCOMPARED


async def _read_request(context: Context) -> bytes | None:
    message = await context.read()
    return None if message is EOF else message
