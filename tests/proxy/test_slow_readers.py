"""A peer that does not read stops its own call, and costs the sidecar no more than gRPC's windows."""

import asyncio
import pathlib
from typing import Any

import pytest

from tests.support.callers import caller
from tests.support.models import Received, echo, model
from tests.support.processes import Proxy, proxy, sidecar_file
from tests.support.sidecars import ENGINES, service

STREAM = "/any.Service/Method"
UNARY = "/inference.GRPCInferenceService/ModelInfer"
KIB, MIB = 1024, 1024 * 1024
MESSAGE = bytes(64 * KIB)
STREAMS = 20
MOST = 64 * MIB
"""Bytes that the sidecar may grow by: one stream's, of twenty."""

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def resident(one: Proxy) -> int:
    """Bytes of memory that a sidecar holds."""
    status = pathlib.Path(f"/proc/{one.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * KIB


class Flood:
    """64 MiB to whoever calls STREAM, as fast as it takes them; `sent` tells how much it took."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, call: Received) -> None:
        if call.method != STREAM:
            await echo(call)
            return
        for _ in range(64 * MIB // len(MESSAGE)):
            await call.write(MESSAGE)
            self.sent += len(MESSAGE)


class Deaf:
    """Reads nothing of a STREAM."""

    async def __call__(self, call: Received) -> None:
        if call.method != STREAM:
            await echo(call)
            return
        await asyncio.Event().wait()


async def stands_still(look: Any, seconds: float = 0.5) -> int:
    """What `look` says once it has said the same for a while."""
    value = -1
    async with asyncio.timeout(60):
        while (now := look()) != value:
            value = now
            await asyncio.sleep(seconds)
    return int(value)


async def test_callers_that_do_not_read(tmp_path: pathlib.Path, engine: str) -> None:
    flood = Flood()
    async with model(flood) as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), engine=engine)
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            assert (await call.unary(UNARY, b"warm")).ok
            before = resident(one)
            calls = [call.channel.unary_stream(STREAM)(b"") for _ in range(STREAMS)]
            for pending in calls:
                assert await pending.read() == MESSAGE
            sent = await stands_still(lambda: flood.sent)
            grown = resident(one) - before
            others = [(await call.unary(UNARY, b"other")).ok for _ in range(50)]
            for _ in range(99):
                assert await calls[0].read() == MESSAGE  # who reads again is served again
            for pending in calls:
                pending.cancel()

    assert all(others)
    assert sent < STREAMS * 64 * MIB / 2
    assert grown < MOST


async def test_a_model_server_that_does_not_read(tmp_path: pathlib.Path, engine: str) -> None:
    written = 0

    async def writes(stream: Any) -> None:
        nonlocal written
        for _ in range(64 * MIB // len(MESSAGE)):
            await stream.write(MESSAGE)
            written += len(MESSAGE)

    async with model(Deaf()) as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), engine=engine)
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            assert (await call.unary(UNARY, b"warm")).ok
            before = resident(one)
            async with asyncio.TaskGroup() as tasks:
                streams = [call.stream(STREAM, deadline=60.0) for _ in range(STREAMS)]
                writing = [tasks.create_task(writes(stream)) for stream in streams]
                sent = await stands_still(lambda: written)
                grown = resident(one) - before
                others = [(await call.unary(UNARY, b"other")).ok for _ in range(50)]
                for task, stream in zip(writing, streams, strict=True):
                    task.cancel()
                    stream.cancel()

    assert all(others)
    assert sent < STREAMS * 64 * MIB / 2
    assert grown < MOST


async def test_large_messages_do_not_pile_up(tmp_path: pathlib.Path, engine: str) -> None:
    """800 MiB of answers, one after another. One that kept an answer in four would be found out.

    Over 1000 of them on a busy machine the sidecar grows by 10 to 30 MiB, most of it within the first
    hundred and in steps: what an allocator keeps, and nothing that goes on growing.
    """

    async def large(call: Received) -> None:
        await call.read()
        await call.write(bytes(8 * MIB))

    async with model(large) as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), engine=engine)
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            for _ in range(20):
                assert (await call.unary(UNARY)).ok
            before = resident(one)
            for _ in range(100):
                assert (await call.unary(UNARY)).ok
            grown = resident(one) - before

    assert grown < 100 * 8 * MIB / 4
