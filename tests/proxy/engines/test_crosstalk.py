"""One caller's bytes never reach another."""

import asyncio
import contextlib
import random

import pytest

from tests.support.callers import Caller
from tests.support.models import Received
from tests.support.sidecars import fronted

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
CONNECTIONS = 20
CALLS = 100  # on each connection


async def echo_with_metadata(call: Received) -> None:
    await call.begin(*(pair for pair in call.metadata if pair[0] == "x-nonce"))
    while (message := await call.read()) is not None:
        await call.write(message)


async def one_caller(call: Caller, number: int, draws: random.Random) -> int:
    """Calls with a nonce in message and metadata; how many came back."""
    answered = 0
    for index in range(CALLS):
        nonce = f"{number}/{index}"
        request = nonce.encode() * draws.randrange(1, 400)
        pending = call.channel.unary_unary(draws.choice([UNARY, STREAM]))(
            request, metadata=[("x-nonce", nonce)]
        )
        if draws.random() < 0.2:
            for _ in range(draws.randrange(30)):
                await asyncio.sleep(0)  # a moment that is different every time
            pending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            assert await pending == request
            initial = await pending.initial_metadata()
            assert initial["x-nonce"] == nonce
            answered += 1
    return answered


async def test_every_answer_is_the_callers_own(engine: str) -> None:
    async with fronted(engine, echo_with_metadata) as (_server, one, _call):
        callers = [Caller(one.address) for _ in range(CONNECTIONS)]
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(one_caller(call, number, random.Random(number)))  # noqa: S311  # repeatable
                for number, call in enumerate(callers)
            ]
        for call in callers:
            await call.channel.close()
        await one.until_idle()

    answered = sum(task.result() for task in running)
    assert 0.75 * CONNECTIONS * CALLS < answered <= CONNECTIONS * CALLS
    assert one.codes("v1")["OK"] >= answered


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_calls_at_once_on_one_connection(engine: str, method: str) -> None:
    async with fronted(engine) as (_server, _one, call):
        requests = [b"%d" % number for number in range(300)]
        replies = await asyncio.gather(*(call.unary(method, request) for request in requests))

    assert [reply.message for reply in replies] == requests
