"""What is kept of calls for their copies counts against what all mirrors may hold, from its first byte on."""

import asyncio
from typing import Any

import grpc

from tests.support.eventually import eventually
from tests.support.mirroring import mirrored
from tests.support.models import Received, waits_for

STREAM = "/any.Service/Method"
KIB = 1024
ROOM = {"mirror_bytes": 100 * KIB}
PART = bytes(20 * KIB)
CALLS = 10


async def test_requests_of_calls_that_go_on(engine: str) -> None:
    """Each has sent 40 KiB: there is room for what two have sent."""

    async def reads_all(call: Received) -> None:
        await call.read_all()
        await call.write(b"read")

    async with mirrored(engine, reads_all, reads_all, options=ROOM) as at:
        calls = [at.call.stream(STREAM) for _ in range(CALLS)]
        for call in calls:
            await call.write(PART)
            await call.write(PART)
        await eventually(lambda: [len(one.messages) for one in at.primary.calls] == [2] * CALLS)
        held = at.sidecar.mirrors.bytes_held
        for call in calls:
            await call.done_writing()
            assert await call.read() == b"read"
        await at.sidecar.until_mirrored()

    assert 0 < held <= 100 * KIB
    assert sum(at.outcomes.values()) == CALLS
    assert at.outcomes["dropped_bytes"] >= CALLS - 2


async def test_messages_without_content_take_room_as_well(engine: str) -> None:
    async def reads_all(call: Received) -> None:
        await call.read_all()

    async with mirrored(engine, reads_all, options=ROOM) as at:
        assert (await at.call.exchange(STREAM, [b""] * 3000)).ok
        await at.sidecar.until_mirrored()

    assert at.outcomes == {"dropped_bytes": 1}


async def test_answers_of_calls_that_go_on(engine: str) -> None:
    """The primary has given 40 KiB to each, and each copy still waits."""
    released = asyncio.Event()

    async def gives(call: Received) -> None:
        await call.read_all()
        await call.write(PART)
        await call.write(PART)
        await released.wait()

    async with mirrored(engine, gives, waits_for(released, gives), options=ROOM, deadline="3s") as at:
        channel: Any = at.call.channel
        calls = [channel.unary_stream(STREAM)(b"x") for _ in range(CALLS)]
        for call in calls:
            assert [await call.read(), await call.read()] == [PART, PART]
        held = at.sidecar.mirrors.bytes_held
        released.set()
        for call in calls:
            assert await call.read() is grpc.aio.EOF
        await at.sidecar.until_mirrored()

    assert 0 < held <= 100 * KIB
    assert sum(at.outcomes.values()) == CALLS
    assert set(at.outcomes) <= {"match", "uncompared", "dropped_bytes", "deadline"}


async def test_callers_that_leave_give_back_what_was_kept(engine: str) -> None:
    async def gives(call: Received) -> None:
        await call.read()
        await call.read()
        await call.write(PART)
        await asyncio.Event().wait()

    async with mirrored(engine, gives, options=ROOM) as at:
        for _ in range(CALLS):
            call = at.call.stream(STREAM)
            await call.write(PART)
            await call.write(PART)
            assert await call.read() == PART
            assert at.sidecar.mirrors.bytes_held >= 60 * KIB
            call.cancel()
            await at.sidecar.until_idle()

    assert at.outcomes == {}
