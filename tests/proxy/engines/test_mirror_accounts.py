"""Every copy that was due has one outcome, whatever its shadow does, also when the sidecar leaves."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from benchmarks.broken_shadows import Broken
from tests.support.callers import Caller, caller
from tests.support.model_process import model_process
from tests.support.models import Received, echo, hangs, model
from tests.support.sidecars import Sidecar, route, service, sidecar

OURS = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
ROUNDS = 6
PART = bytes(30_000)
MEBIBYTE = 2**20


async def late(call: Received) -> None:
    """After the copy's deadline, now and then just before it."""
    await call.read_all()
    await asyncio.sleep(0.3)
    await call.write(b"late")


SERVED = {"healthy": echo, "silent": hangs, "late": late}
FAULTS = (*SERVED, "nowhere", "stopped", "resets", "refuses", "unread", "endless", "gigabyte")


@contextlib.asynccontextmanager
async def shadow(fault: str) -> AsyncIterator[str]:
    """The address of a shadow with that fault."""
    if fault == "stopped":
        async with model_process() as frozen:
            frozen.stop()
            yield frozen.address
    elif fault == "nowhere":
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # and never listens
            yield f"127.0.0.1:{bound.getsockname()[1]}"
    elif fault in SERVED:
        async with model(SERVED[fault]) as scripted:
            yield scripted.address
    else:
        server = await asyncio.get_running_loop().create_server(lambda: Broken(fault), "127.0.0.1", 0)
        async with server:
            yield "{}:{}".format(*server.sockets[0].getsockname()[:2])


async def calls_of_every_kind(call: Caller) -> None:
    """Answered, streamed, several requests in one, and one that its caller leaves."""
    replies = await asyncio.gather(
        call.unary(OURS, PART),
        call.unary(STREAM, PART),
        call.exchange(STREAM, [PART, PART, b""]),
        call.exchange(STREAM, []),
    )
    assert all(reply.ok for reply in replies), replies
    left = call.stream(STREAM)
    await left.write(PART)
    await left.read()
    left.cancel()


def is_exact(one: Sidecar) -> bool:
    return one.ledger.totals.mirror_seen["v2"] == sum(one.outcomes("v2").values())


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_outcomes_add_up_to_the_copies_that_were_due(engine: str, fault: str) -> None:
    """While it runs once all have ended, and when the sidecar leaves with copies under way."""
    async with model(echo) as primary, shadow(fault) as broken:
        copies = {"variant": "v2", "percent": 100, "deadline": "0.3s", "max_in_flight": 8}
        what = service({"v1": primary.address, "v2": broken}, route(weights={"v1": 1}, mirrors=[copies]))
        async with sidecar(engine, None, mirror_bytes=MEBIBYTE) as one, caller(one.address) as call:
            one.apply(what)
            await one.until_live("v1")
            for _ in range(ROUNDS):
                await calls_of_every_kind(call)
            await one.until_mirrored()
            assert is_exact(one)
            assert one.ledger.totals.mirror_seen["v2"] >= 3 * ROUNDS
            await calls_of_every_kind(call)
        assert is_exact(one)
        assert one.mirrors.bytes_held == 0
