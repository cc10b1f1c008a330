"""Bounds of mirrors: what does not fit is dropped and counted, a shadow that keeps failing left alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest

from benchmarks.broken_shadows import Broken
from proxy.policy.breaker import FAILURES
from tests.support.callers import caller
from tests.support.eventually import DEADLINE, soon
from tests.support.mirroring import mirrored
from tests.support.models import Received, answers, echo, fails, hangs, model, waits_for
from tests.support.sidecars import route, service, sidecar

OURS = "/understudy.v1.PredictionService/Predict"
UNKNOWN = "/any.Service/Method"
METHODS = pytest.mark.parametrize("method", [OURS, UNKNOWN])
MEBIBYTE = 2**20


@METHODS
async def test_an_answer_beyond_max_bytes_is_dropped(engine: str, method: str) -> None:
    large = answers(b"x" * 200_000)
    async with mirrored(engine, answers(b"small"), large, max_bytes=100_000) as setup:
        assert (await setup.call.unary(method)).message == b"small"
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"dropped_bytes": 1}


@METHODS
async def test_an_answer_for_which_the_request_leaves_no_room_is_dropped(engine: str, method: str) -> None:
    limit = {"mirror_bytes": MEBIBYTE}
    shadow = answers(bytes(700_000))
    async with mirrored(engine, answers(b""), shadow, options=limit, deadline="2s") as at:
        assert (await at.call.unary(method, bytes(500_000))).ok
        await at.sidecar.until_mirrored()

    assert at.outcomes == {"dropped_bytes": 1}


@METHODS
@pytest.mark.parametrize("who", ["SERVER: R", "grpc: r"])
async def test_a_shadow_that_takes_no_such_request_is_an_error(engine: str, method: str, who: str) -> None:
    details = f"{who}eceived message larger than max (8388608 vs. 4194304)"
    async with mirrored(engine, shadow=fails(grpc.StatusCode.RESOURCE_EXHAUSTED, details)) as at:
        assert (await at.call.unary(method)).ok
        await at.sidecar.until_mirrored()

    assert at.outcomes == {"error": 1}


@METHODS
async def test_an_answer_beyond_what_all_mirrors_may_hold_is_not_taken(engine: str, method: str) -> None:
    """Not even until it is whole, however much its own mirror may hold."""
    taken: list[str] = []

    async def large(call: Received) -> None:
        await call.read()
        await call.write(bytes(16 * MEBIBYTE))
        taken.append(method)

    limit = {"mirror_bytes": MEBIBYTE}
    async with mirrored(
        engine, answers(b""), large, options=limit, max_bytes=64 * MEBIBYTE, deadline="2s"
    ) as at:
        assert (await at.call.unary(method)).ok
        await at.sidecar.until_mirrored()
        await soon(at.shadow.calls[0].ended)

    assert at.outcomes == {"dropped_bytes": 1}
    assert taken == []


async def test_a_request_beyond_max_bytes_is_not_copied(engine: str) -> None:
    async with mirrored(engine, max_bytes=1000) as setup:
        assert (await setup.call.unary(OURS, b"x" * 1001)).ok
        assert setup.outcomes == {"dropped_bytes": 1}

    assert setup.shadow.calls == []


@METHODS
async def test_a_primarys_answer_without_room_is_not_compared(engine: str, method: str) -> None:
    async with mirrored(engine, answers(b"x" * 2000), answers(b"x"), max_bytes=1000) as setup:
        assert (await setup.call.unary(method)).ok
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"uncompared": 1}


async def test_copies_beyond_max_in_flight_are_dropped(engine: str) -> None:
    released = asyncio.Event()
    async with mirrored(engine, shadow=waits_for(released), max_in_flight=3) as setup:
        replies = [await setup.call.unary(OURS) for _ in range(10)]
        released.set()
        await setup.sidecar.until_mirrored()

    assert all(reply.ok for reply in replies)
    assert setup.outcomes == {"match": 3, "dropped_in_flight": 7}
    assert len(setup.shadow.calls) == 3


async def test_all_mirrors_together_hold_no_more_than_the_limit(engine: str) -> None:
    released = asyncio.Event()
    limit = {"mirror_bytes": 5000}
    async with mirrored(engine, shadow=waits_for(released, answers(b"")), options=limit) as setup:
        setup.primary.behaviour = answers(b"")
        for _ in range(10):
            assert (await setup.call.unary(OURS, b"x" * 1000)).ok
        assert setup.sidecar.mirrors.bytes_held == 5000
        released.set()
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"match": 5, "dropped_bytes": 5}


async def test_a_shadow_that_keeps_failing_is_cut_off_and_tried_again(engine: str) -> None:
    async with mirrored(engine, shadow=hangs, deadline="0.05s", max_in_flight=1) as at:

        async def call_until(outcome: str) -> None:
            async with asyncio.timeout(DEADLINE):
                while not at.outcomes.get(outcome):
                    await at.call.unary(OURS)
                    await at.sidecar.until_mirrored()

        await call_until("dropped_breaker")
        assert at.outcomes["deadline"] == FAILURES

        at.shadow.behaviour = echo
        await call_until("match")
        dropped = at.outcomes["dropped_breaker"]
        await at.call.unary(OURS)
        await at.sidecar.until_mirrored()
        assert at.outcomes["dropped_breaker"] == dropped


async def test_a_shadow_that_answers_badly_is_not_cut_off(engine: str) -> None:
    shadow = fails(grpc.StatusCode.INTERNAL, "no model")
    async with mirrored(engine, shadow=shadow) as at:
        for _ in range(FAILURES * 2):
            await at.call.unary(OURS)
            await at.sidecar.until_mirrored()

        assert at.outcomes == {"error": FAILURES * 2}


@contextlib.asynccontextmanager
async def broken(fault: str) -> AsyncIterator[str]:
    """The address of a shadow of that kind."""
    server = await asyncio.get_running_loop().create_server(lambda: Broken(fault), "127.0.0.1", 0)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname()[:2])


@METHODS
@pytest.mark.parametrize("fault", ["endless", "gigabyte", "resets", "refuses", "unread"])
async def test_a_broken_shadow_costs_callers_nothing_and_memory_no_more_than_allowed(
    engine: str, fault: str, method: str
) -> None:
    request = bytes(100_000)  # more than a first window
    async with model(echo) as primary, broken(fault) as shadow:
        copies = {"variant": "v2", "percent": 100, "deadline": "0.3s"}
        what = service({"v1": primary.address, "v2": shadow}, route(weights={"v1": 1}, mirrors=[copies]))
        async with sidecar(engine, what, mirror_bytes=4 * MEBIBYTE) as one, caller(one.address) as call:
            most = 0
            for _ in range(FAILURES * 2):
                assert (await call.unary(method, request)).ok
                most = max(most, one.mirrors.bytes_held)
                await one.until_mirrored()
            outcomes = one.outcomes("v2")

            assert most <= 4 * MEBIBYTE
            assert sum(outcomes.values()) == one.ledger.totals.mirror_seen["v2"] == FAILURES * 2
            assert outcomes["dropped_breaker"] >= FAILURES - 2
            assert not outcomes.get("match")
            assert one.mirrors.bytes_held == 0
