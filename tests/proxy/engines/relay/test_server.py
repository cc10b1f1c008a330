"""Connecting to a model server, and giving that up at any point."""

import asyncio
import contextlib

import pytest

from proxy.engines.relay import server
from proxy.engines.relay.socket import flush
from proxy.http2.connection import Connection
from tests.support.http2 import recording

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
