"""Several addresses of one target: shared work, dead ones left out, and nothing ever sent twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest

from tests.support.callers import Caller, caller
from tests.support.http2 import CANCEL, REFUSED_STREAM, refusing
from tests.support.models import Model, echo, fails, hangs, model, waits_for
from tests.support.sidecars import Sidecar, route, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])
DEAD = "127.0.0.1:1"


@contextlib.asynccontextmanager
async def over(engine: str, *addresses: str, fallback: str = "") -> AsyncIterator[tuple[Sidecar, Caller]]:
    """A sidecar before one variant of these addresses."""
    targets = {"v1": f"ipv4:{','.join(addresses)}"} | ({"v2": fallback} if fallback else {})
    what = service(targets, route(weights={"v1": 1}), fallback="v2" if fallback else "")
    async with sidecar(engine, what) as one, caller(one.address) as call:
        yield one, call


@BOTH
async def test_a_dead_address_costs_no_call(engine: str, method: str) -> None:
    async with model() as alive, over(engine, DEAD, alive.address) as (one, call):
        replies = [await call.unary(method) for _ in range(30)]

    assert {reply.code for reply in replies} == {grpc.StatusCode.OK}
    assert len(alive.calls) == 30
    assert one.ledger.totals.fallbacks == {}


@BOTH
async def test_a_busy_address_is_left_to_its_work(engine: str, method: str) -> None:
    """Of two addresses the less busy one is taken each time: twenty calls that last end up as ten and ten."""
    released = asyncio.Event()
    async with (
        model() as first,
        model() as second,
        over(engine, first.address, second.address) as (one, call),
    ):
        while not (first.calls and second.calls):
            assert (await call.unary(method)).ok
        await one.until_idle()
        for server in (first, second):
            server.calls.clear()
            server.behaviour = waits_for(released)
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, 21):
                tasks.create_task(call.unary(method))
                await _until_arrived(first, second, number)
            released.set()

    assert (len(first.calls), len(second.calls)) == (10, 10)


async def _until_arrived(first: Model, second: Model, number: int) -> None:
    async with asyncio.timeout(15):
        while len(first.calls) + len(second.calls) < number:  # noqa: ASYNC110 - a count tells nothing itself
            await asyncio.sleep(0.002)


@BOTH
@pytest.mark.parametrize(
    ("code", "details"),
    [
        (grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses"),
        (grpc.StatusCode.UNAVAILABLE, "Stream removed (Received RST_STREAM with error code 7)"),
        (grpc.StatusCode.UNAVAILABLE, "Stream removed (GOAWAY received; Error code: 0)"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.INTERNAL, ""),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ""),
    ],
)
async def test_what_reached_a_server_is_never_sent_again(
    engine: str, method: str, code: grpc.StatusCode, details: str
) -> None:
    """Whatever it says, even in the words of a client that found nobody."""
    behaviour = fails(code, details)
    async with model(behaviour) as one_server, model(behaviour) as other, model() as spare:
        addresses = (one_server.address, other.address)
        async with over(engine, *addresses, fallback=spare.address) as (one, call):
            await one.until_live("v1", "v2")
            replies = [await call.unary(method, b"once") for _ in range(10)]

    assert not any(reply.ok for reply in replies)
    assert len(one_server.calls) + len(other.calls) == 10
    assert spare.calls == []


async def test_not_even_what_says_of_its_own_address_that_nobody_was_there(engine: str) -> None:
    async with (
        model() as server,
        model() as spare,
        over(engine, server.address, fallback=spare.address) as (one, call),
    ):
        await one.until_live("v1", "v2")
        said = f"failed to connect to all addresses; last error: UNKNOWN: ipv4:{server.address}: refused"
        server.behaviour = fails(grpc.StatusCode.UNAVAILABLE, said)
        await call.unary(UNARY, b"once")

    assert (len(server.calls), spare.calls) == (1, [])


@BOTH
async def test_what_a_dying_server_had_is_never_sent_again(engine: str, method: str) -> None:
    async with (
        model(hangs) as first,
        model(echo) as spare,
        over(engine, first.address, DEAD, fallback=spare.address) as (one, call),
    ):
        await one.until_live("v1")
        async with asyncio.TaskGroup() as tasks:
            pending = [tasks.create_task(call.unary(method, b"once")) for _ in range(5)]
            for _ in pending:
                await first.next_call()
            await first.kill()

    assert {task.result().code for task in pending} == {grpc.StatusCode.UNAVAILABLE}
    assert len(first.calls) == 5
    assert spare.calls == []


async def test_a_stream_that_was_reset_is_not_sent_again(engine: str) -> None:
    async with (
        refusing(CANCEL) as server,
        model() as spare,
        over(engine, server.address, fallback=spare.address) as (one, call),
    ):
        await one.until_live("v1")
        reply = await call.unary(UNARY)

    assert not reply.ok
    assert (server.calls, spare.calls) == (1, [])


@BOTH
@pytest.mark.differs("refused streams")
async def test_a_refused_stream_is_tried_at_another_address(engine: str, method: str) -> None:
    async with (
        refusing(REFUSED_STREAM) as server,
        model() as other,
        over(engine, server.address, other.address) as (one, call),
    ):
        await one.until_live("v1")
        replies = [await call.unary(method, b"x") for _ in range(20)]

    assert server.calls > 0
    assert all(reply.ok for reply in replies)
    assert len(other.calls) == 20


async def test_a_call_that_a_goaway_left_out_is_tried_once_more(engine: str) -> None:
    async with refusing(None) as server, over(engine, server.address) as (one, call):
        await one.until_live("v1")
        reply = await call.unary(UNARY)

    assert reply.code is grpc.StatusCode.UNAVAILABLE
    assert server.calls == 2


@BOTH
async def test_no_calls_are_in_flight_at_an_address_after_their_end(engine: str, method: str) -> None:
    async with model() as server, over(engine, server.address) as (one, call):
        await asyncio.gather(*(call.unary(method) for _ in range(10)))
        cancelled = call.channel.unary_unary(method)
        server.behaviour = hangs
        pending = cancelled(b"")
        await server.next_call()
        pending.cancel()
        await one.until_idle()

        assert one.engine.in_flight() in ({}, {"v1": 0})


@BOTH
async def test_a_name_is_resolved(engine: str, method: str) -> None:
    async with model() as server:
        port = server.address.rpartition(":")[2]
        what = service({"v1": f"dns:///localhost:{port}"})
        async with sidecar(engine, what) as one, caller(one.address) as call:
            await one.until_live("v1")
            assert (await call.unary(method, b"x")).message == b"x"


@BOTH
async def test_a_name_that_nobody_knows_is_no_live_upstream(engine: str, method: str) -> None:
    async with sidecar(engine, service({"v1": "dns:///nobody.invalid:80"})) as one:
        async with caller(one.address) as call:
            reply = await call.unary(method)
        await one.until_idle()

    assert (reply.code, reply.error) == (grpc.StatusCode.UNAVAILABLE, "no_live_upstream")
    assert one.ledger.totals.refused == {"no_live_upstream": 1}
    assert one.codes("v1") == {"UNAVAILABLE": 1}
