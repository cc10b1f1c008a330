"""A call that no model server took is not copied, nor held against anything: it tells nothing of a shadow."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import grpc
import pytest

from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.mirroring import Mirrored
from tests.support.models import echo, model
from tests.support.sidecars import route, service, sidecar

OURS = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
METHODS = pytest.mark.parametrize("method", [OURS, STREAM])


@contextlib.asynccontextmanager
async def shadowed(engine: str, target: str = "", **how: object) -> AsyncIterator[Mirrored]:
    """A primary (or what is said to be one) whose copies go to a shadow; the user is in the message, too."""
    async with model(echo) as first, model(echo) as second:
        mirrors = [{"variant": "v2", "percent": 100, "deadline": "20s"}]
        split = {"weights": {"v1": 1}, "sticky": {"payload": True, "payload_fields": ["9"]}}
        what = service(
            {"v1": target or first.address, "v2": second.address},
            route(split=split, mirrors=mirrors, **how),
        )
        async with sidecar(engine, None) as one, caller(one.address) as call:
            one.apply(what)
            await one.until_live("v2")
            yield Mirrored(first, second, one, call)
            await one.until_idle()


@METHODS
async def test_a_primary_that_is_not_there(engine: str, method: str) -> None:
    async with shadowed(engine) as at:
        await at.primary.kill()
        await at.sidecar.until_dead("v1")
        replies = [await at.call.unary(method, b"x") for _ in range(5)]

    assert {(reply.code, reply.error) for reply in replies} == {
        (grpc.StatusCode.UNAVAILABLE, "no_live_upstream")
    }
    assert at.shadow.calls == []
    assert at.outcomes == {}


@METHODS
async def test_a_primary_whose_name_nobody_knows(engine: str, method: str) -> None:
    async with shadowed(engine, "dns:///nobody.invalid:1") as at:
        replies = [await at.call.unary(method, b"x") for _ in range(5)]

    assert {reply.error for reply in replies} == {"no_live_upstream"}
    assert at.shadow.calls == []
    assert at.outcomes == {}


@METHODS
async def test_a_primary_that_is_still_connected_to(engine: str, method: str) -> None:
    """Until its deadline: the primary's call was never begun."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with shadowed(engine, f"127.0.0.1:{silent.getsockname()[1]}") as at:
            reply = await at.call.unary(method, b"x", deadline=0.3)
            await at.sidecar.until_idle()

    assert reply.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert at.shadow.calls == []
    assert at.outcomes == {}


async def test_a_primary_that_left_before_it_was_known(engine: str) -> None:
    """A copy may be under way by then; it is not held against a status that nobody gave."""
    async with shadowed(engine) as at:
        await at.sidecar.until_live("v1")
        await at.primary.kill()
        replies = await asyncio.gather(*(at.call.unary(OURS, b"x") for _ in range(20)))
        await at.sidecar.until_idle()
        await eventually(lambda: at.sidecar.mirrors.bytes_held == 0)

    nowhere = [reply for reply in replies if reply.error == "no_live_upstream"]
    assert at.outcomes.get("match", 0) == 0
    assert at.outcomes.get("mismatch", 0) <= len(replies) - len(nowhere)
