"""Callers are told to go in two steps, and what they sent before they heard of it is taken up."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from proxy.engines.engine import ALONE, Listening
from proxy.engines.relay import caller as relay_caller
from proxy.http2 import frames
from proxy.http2.encoder import INDEXABLE, Encoder
from proxy.http2.fields import Run
from tests.support.http2 import ACK, GOAWAY, HEADERS, PING, SETTINGS, frame
from tests.support.models import hangs
from tests.support.sidecars import Sidecar, fronted

ALL = 2**31 - 1
REQUEST = Run(
    (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/any.Service/Method"),
        (":authority", "x"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
)
OLD = Listening(max_connection_age=0.05)


@dataclass
class Bare:
    """A caller of bare frames, which answers nothing by itself."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def until(self, kind: int) -> tuple[int, bytes]:
        """Flags and payload of the next frame of a kind."""
        async with asyncio.timeout(30):
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == kind:
                    return head[4], payload

    async def last_taken(self) -> int:
        """What the next GOAWAY says."""
        _, payload = await self.until(GOAWAY)
        last, code = struct.unpack(">II", payload[:8])
        assert code == 0
        return int(last)

    def call(self, number: int, flags: int = frames.END_HEADERS) -> None:
        """Open a stream."""
        block = Encoder(INDEXABLE).encode([REQUEST])
        self.writer.write(frame(HEADERS, flags, number, block))


@contextlib.asynccontextmanager
async def bare(one: Sidecar) -> AsyncIterator[Bare]:
    """Such a caller, connected."""
    host, _, port = one.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(frames.PREFACE + frame(SETTINGS, 0, 0))
    try:
        yield Bare(reader, writer)
    finally:
        writer.close()


@pytest.mark.parametrize("listening", [ALONE, OLD])
async def test_a_call_that_crosses_the_warning_is_taken_up(listening: Listening) -> None:
    # given a caller of a sidecar that is drained, or whose connection is old
    async with (
        fronted("relay", hangs, listening=listening) as (server, one, _call),
        bare(one) as caller,
        asyncio.TaskGroup() as tasks,
    ):
        await caller.until(SETTINGS)
        if listening is ALONE:
            tasks.create_task(one.engine.drain(1.0))
        # when it is warned, and has sent a call before it answers
        assert await caller.last_taken() == ALL
        _, payload = await caller.until(PING)
        caller.call(1)
        await server.next_call()
        caller.call(3)
        caller.writer.write(frame(PING, ACK, 0, payload))
        # then both calls are taken up, and the one after is not
        assert await caller.last_taken() == 3
        caller.call(5)
        await server.next_call()
        assert len(server.calls) == 2


async def test_a_caller_that_does_not_answer_holds_a_drain_up_no_longer_than_its_timeout() -> None:
    async with fronted("relay") as (_server, one, _call), bare(one) as caller:
        await caller.until(SETTINGS)
        async with asyncio.timeout(30):
            await one.engine.drain(0.05)
        assert await caller.last_taken() == ALL
        assert await caller.last_taken() == 0


async def test_a_caller_is_warned_in_a_moment_without_new_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_caller, "QUIET", 1.5)
    monkeypatch.setattr(relay_caller, "PATIENCE", 60.0)
    async with (
        fronted("relay", hangs, listening=Listening(max_connection_age=0.5)) as (server, one, _call),
        bare(one) as caller,
        asyncio.TaskGroup() as tasks,
    ):
        warned = tasks.create_task(caller.last_taken())
        caller.call(1)
        await server.next_call()
        await asyncio.sleep(1.2)  # it was to be warned after 0.5 s
        caller.call(3)
        await server.next_call()
        await asyncio.sleep(1.6)  # and after 2 s
        assert not warned.done()
        assert await warned == ALL


async def test_a_caller_that_is_never_quiet_is_warned_nonetheless() -> None:
    async with fronted("relay") as (server, one, _call), bare(one) as caller, asyncio.TaskGroup() as tasks:
        warned = tasks.create_task(caller.last_taken())
        number = -1
        while not warned.done():
            number += 2
            caller.call(number, frames.END_HEADERS | frames.END_STREAM)
            await server.next_call()
            if number == 1:
                tasks.create_task(one.engine.drain(10.0))
        assert warned.result() == ALL
        assert number > 3
        caller.writer.close()
