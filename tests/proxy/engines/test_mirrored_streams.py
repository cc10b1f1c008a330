"""Copies of streams: of one request, sent while the primary is under way; of several, once it has ended."""

import asyncio

import pytest

from tests.support.eventually import eventually, soon
from tests.support.mirroring import mirrored
from tests.support.models import Received, echo, hangs, waits_for

UNKNOWN = "/any.Service/Method"


async def test_a_server_stream_is_compared_whole(engine: str) -> None:
    async def count(call: Received) -> None:
        await call.read_all()
        for number in range(10):
            await call.write(b"%d" % number)

    async with mirrored(engine, count, count) as setup:
        assert len((await setup.call.exchange(UNKNOWN, [b"x"])).messages) == 10
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"match": 1}


async def test_a_call_of_several_requests_is_copied_when_it_has_ended(engine: str) -> None:
    released = asyncio.Event()
    async with mirrored(engine, primary=waits_for(released)) as at:
        call = at.call.stream(UNKNOWN)
        await call.write(b"a")
        await call.write(b"b")
        await call.done_writing()
        assert (at.shadow.calls, at.outcomes) == ([], {})

        released.set()
        assert [bytes(message) async for message in call] == [b"a", b"b"]
        await eventually(lambda: at.outcomes)

        assert at.outcomes == {"match": 1}
        (copy,) = at.shadow.calls
        assert (copy.messages, copy.half_closed) == ([b"a", b"b"], True)
        assert copy.values("x-understudy-mirror") == ["1"]


async def test_answers_that_differ_in_one_message_are_a_mismatch(engine: str) -> None:
    async def other(call: Received) -> None:
        for message in await call.read_all():
            await call.write(message.upper())

    async with mirrored(engine, shadow=other) as at:
        reply = await at.call.exchange(UNKNOWN, [b"A", b"B", b"c"])
        await at.sidecar.until_mirrored()

        assert reply.messages == (b"A", b"B", b"c")
        assert at.outcomes == {"mismatch": 1}


async def test_fewer_answers_are_a_mismatch(engine: str) -> None:
    async def one(call: Received) -> None:
        await call.write((await call.read_all())[0])

    async with mirrored(engine, shadow=one) as at:
        await at.call.exchange(UNKNOWN, [b"a", b"b"])
        await at.sidecar.until_mirrored()

        assert at.outcomes == {"mismatch": 1}


async def test_requests_beyond_the_bound_are_not_copied_and_counted(engine: str) -> None:
    async with mirrored(engine, max_bytes=1000) as at:
        reply = await at.call.exchange(UNKNOWN, [bytes(400)] * 5)
        await at.sidecar.until_mirrored()

        assert len(reply.messages) == 5
        assert at.outcomes == {"dropped_bytes": 1}
        assert at.shadow.calls == []


async def test_a_stream_that_its_caller_leaves_is_not_copied(engine: str) -> None:
    async def answers_one_and_stays(call: Received) -> None:
        await call.write((await call.read()) or b"")
        await call.read()
        await asyncio.Event().wait()

    async with mirrored(engine, answers_one_and_stays) as at:
        call = at.call.stream(UNKNOWN)
        await call.write(b"a")
        await call.write(b"b")
        assert await call.read() == b"a"
        call.cancel()
        await soon(at.primary.calls[0].cancelled)
        await at.sidecar.until_idle()

        assert at.shadow.calls == []
        assert at.outcomes == {}


async def test_the_copys_deadline_runs_from_the_primarys_end(engine: str) -> None:
    released = asyncio.Event()
    async with mirrored(engine, primary=waits_for(released), shadow=hangs, deadline="0.2s") as at:
        call = at.call.stream(UNKNOWN)
        await call.write(b"a")
        await call.write(b"b")
        await call.done_writing()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):  # longer than a copy may take
                await asyncio.Event().wait()
        released.set()
        assert [bytes(message) async for message in call] == [b"a", b"b"]
        await at.sidecar.until_mirrored()

        assert at.outcomes == {"deadline": 1}
        (copy,) = at.shadow.calls
        assert copy.time_remaining is not None
        assert copy.time_remaining > 0


async def test_many_at_once_are_each_compared_with_their_own(engine: str) -> None:
    async with mirrored(engine, max_in_flight=100, primary=echo, shadow=echo) as at:
        calls = (at.call.exchange(UNKNOWN, [b"%d" % number, b"-%d" % number]) for number in range(40))
        replies = await asyncio.gather(*calls)
        await at.sidecar.until_mirrored()

        assert [reply.messages[0] for reply in replies] == [b"%d" % number for number in range(40)]
        assert at.outcomes == {"match": 40}
