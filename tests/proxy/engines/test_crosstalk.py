"""One caller's bytes never reach another.

5 000 calls; as many as CROSSTALK_CALLS says with `make soak-crosstalk`, and others with a CROSSTALK_SEED.
"""

import asyncio
import contextlib
import os
import random

import pytest

from tests.support.callers import Caller
from tests.support.models import Received
from tests.support.sidecars import fronted

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
CONNECTIONS = 200
CALLS = int(os.environ.get("CROSSTALK_CALLS", "5000")) // CONNECTIONS  # on each connection
SEED = int(os.environ.get("CROSSTALK_SEED", "0")) * CONNECTIONS


async def echo_with_metadata(call: Received) -> None:
    nonce = [pair for pair in call.metadata if pair[0] == "x-nonce"]
    await call.begin(*nonce)
    while (message := await call.read()) is not None:
        await call.write(message)
    call.context.set_trailing_metadata(tuple(nonce))


async def a_moment(draws: random.Random) -> None:
    for _ in range(draws.randrange(30)):
        await asyncio.sleep(0)


async def unary(call: Caller, nonce: str, draws: random.Random) -> bool:
    """A call with a nonce in message and metadata, given up now and then; whether it was answered."""
    request = nonce.encode() * draws.randrange(1, 400)
    method = draws.choice([UNARY, STREAM])
    pending = call.channel.unary_unary(method)(request, metadata=[("x-nonce", nonce)])
    if draws.random() < 0.2:
        await a_moment(draws)
        pending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        assert await pending == request
        assert (await pending.initial_metadata())["x-nonce"] == nonce
        assert (await pending.trailing_metadata())["x-nonce"] == nonce
        return True
    return False


async def stream(call: Caller, nonce: str, draws: random.Random) -> bool:
    """The same in three messages, question and answer in turn."""
    pending = call.stream(STREAM, [("x-nonce", nonce)], deadline=None)
    gives_up = draws.randrange(15)
    for turn in range(3):
        if turn == gives_up:
            pending.cancel()
            return False
        request = f"{nonce}/{turn} ".encode() * draws.randrange(1, 400)
        await pending.write(request)
        assert await pending.read() == request
    await pending.done_writing()
    assert (await pending.initial_metadata())["x-nonce"] == nonce
    assert (await pending.trailing_metadata())["x-nonce"] == nonce
    return True


async def one_caller(address: str, number: int) -> int:
    """A connection's calls, some at once, some reconnecting; how many were answered."""
    draws = random.Random(SEED + number)  # noqa: S311  # repeatable
    answered = 0
    call = Caller(address)
    index = 0
    while index < CALLS:
        at_once = range(index, min(CALLS, index + draws.randrange(1, 5)))
        kinds = [unary if draws.random() < 0.8 else stream for _ in at_once]
        made = [kind(call, f"{number}/{each}", draws) for kind, each in zip(kinds, at_once, strict=True)]
        answered += sum(await asyncio.gather(*made))
        index += len(at_once)
        if draws.random() < 0.02:
            await call.channel.close()
            call = Caller(address)
    await call.channel.close()
    return answered


async def test_every_answer_is_the_callers_own(engine: str) -> None:
    async with fronted(engine, echo_with_metadata) as (server, one, _call):
        server.remembers = False
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one_caller(one.address, number)) for number in range(CONNECTIONS)]
        await one.until_idle()

    answered = sum(task.result() for task in running)
    assert 0.75 * CONNECTIONS * CALLS < answered < CONNECTIONS * CALLS
    assert one.codes("v1")["OK"] >= answered


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_calls_at_once_on_one_connection(engine: str, method: str) -> None:
    async with fronted(engine) as (_server, _one, call):
        requests = [b"%d" % number for number in range(300)]
        replies = await asyncio.gather(*(call.unary(method, request) for request in requests))

    assert [reply.message for reply in replies] == requests
