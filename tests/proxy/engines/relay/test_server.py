"""Connecting to a model server, and giving that up at any point."""

import asyncio
import contextlib

import pytest

from proxy.engines.relay import server
from proxy.engines.relay.socket import flush
from proxy.http2.connection import Connection
from tests.support.callers import caller
from tests.support.hostile_servers import good, hostile_server
from tests.support.http2 import recording
from tests.support.sidecars import service, sidecar

ASKED = 200

STEPS = 12
"""Turns of the loop after which a connect to a neighbour is surely done or under way in earnest."""


@pytest.mark.parametrize("turns", range(STEPS))
async def test_a_connect_given_up_at_any_point_leaves_nothing_that_is_written_to(turns: int) -> None:
    # given a model server, and one connection that is in use
    dirty: list[Connection] = []
    async with recording() as model:
        in_use = await server.connect(f"ipv4:{model.address}", dirty, lambda: None)
        # when another is begun and given up after some turns of the loop
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(server.connect(f"ipv4:{model.address}", dirty, lambda: None))
            for _ in range(turns):
                await asyncio.sleep(0)
            connecting.cancel()
        for _ in range(STEPS):  # what it still has coming comes
            await asyncio.sleep(0)
            flush(dirty)  # then no write fails
        # then the one in use still is
        assert not in_use.http2.failure
        with contextlib.suppress(asyncio.CancelledError):
            (await connecting).close()  # it was there sooner
        in_use.close()
        await in_use.closed.wait()


async def test_answers_that_came_before_the_end_all_count() -> None:
    """However many came with one read, of which some wait for their turn."""
    asked: list[int] = []

    def says(number: int) -> bytes:
        asked.append(number)
        if len(asked) < ASKED:
            return b""
        one.hangs_up = True
        return b"".join(map(good, asked))

    async with hostile_server() as one, sidecar("relay", service({"v1": one.address})) as front:
        one.says = says
        async with caller(front.address) as call:
            replies = await asyncio.gather(*(call.unary("/any.Service/Method") for _ in range(ASKED)))
    assert {reply.details for reply in replies if not reply.ok} == set()
