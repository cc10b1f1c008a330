"""A streaming call's messages: the caller's, read one at a time, and the answers kept for comparing."""

import asyncio
from collections.abc import Sequence

from grpc.aio import EOF

from proxy.compare.answers import Answer
from proxy.engines.copies import TOO_LARGE, UNCOMPARED
from proxy.engines.grpc_aio.call import Context
from proxy.policy.admission import MirrorLimits
from proxy.policy.table import Mirror


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

    def keep(self, mirrors: Sequence[Mirror], limits: MirrorLimits) -> None:
        """From now on keep them for copies, as far as there is room."""
        self._kept = Kept(mirrors, limits)
        for message in self._taken:
            self._kept.add(message)
        self._taken.clear()

    def take(self) -> tuple[Sequence[bytes], int] | None:
        """All that came and their size, once."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        messages = kept.messages
        kept.forget()
        return ((), TOO_LARGE) if messages is None else (messages, sum(map(len, messages)))

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


class Kept:
    """Messages kept for copying or comparing, within the room that mirrors have: the largest of the call's
    own, and what is left for all together. None where there are no mirrors.
    """

    def __init__(self, mirrors: Sequence[Mirror], limits: MirrorLimits) -> None:
        self._limits = limits
        self._room = max((mirror.max_bytes for mirror in mirrors), default=-1)
        self._held = 0
        self._messages: list[bytes] = []

    @property
    def messages(self) -> tuple[bytes, ...] | None:
        """All of them; None where they did not fit."""
        return tuple(self._messages) if self._room >= 0 else None

    def add(self, message: bytes) -> None:
        """Keep one message, as long as there is room."""
        if self._room < 0:
            return
        size = len(message)
        if self._held + size > self._room or not self._limits.reserve(size):
            self.forget()
            return
        self._held += size
        self._messages.append(message)

    def forget(self) -> None:
        """Nothing of it is needed any more."""
        self._limits.give_back(self._held)
        self._room, self._held = -1, 0
        self._messages.clear()

    def answer(self, code: str) -> Answer:
        """What is compared; nothing where it did not fit."""
        messages = self.messages
        return UNCOMPARED if messages is None else Answer(code, messages)


async def _read_request(context: Context) -> bytes | None:
    message = await context.read()
    return None if message is EOF else message
