"""Attacks by callers, at the socket of a running relay: each is answered, and costs nobody else a call."""

import asyncio
import contextlib

import pytest

from proxy.engines.relay import callers, overdue
from proxy.http2 import errors, frames
from tests.support.attackers import BLOCK, PREFACE, attacker
from tests.support.attacks import ATTACKS, Attack
from tests.support.callers import caller
from tests.support.hostile_servers import hostile_server
from tests.support.sidecars import fronted, route, service, sidecar

PREDICT = "/understudy.v1.PredictionService/Predict"
GOOD = 20
ONE_READ = 16 * 1024


@pytest.fixture
def small_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MOST", 5)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
async def test_is_answered_and_costs_nobody_else_a_call(attack: Attack) -> None:
    async with fronted("relay") as (_server, one, call):
        # given a caller on a connection of its own, whose calls share the one to the model server
        async with attacker(one.address) as attacking:
            # when the attack comes in the midst of its calls
            replies, _ = await asyncio.gather(
                asyncio.gather(*(call.unary(PREDICT, b"x") for _ in range(GOOD))), attacking.send(attack.sent)
            )
            # then it is sent away, or its streams are, and every other call is answered
            if attack.code is not None:
                # of a flood that was not read to its end, TCP's reset may overtake the GOAWAY
                is_flood = len(attack.sent) > ONE_READ
                assert await attacking.closed() in ((attack.code, None) if is_flood else (attack.code,))
            else:
                assert await attacking.pong()
                if attack.resets is not None:
                    assert attack.resets in attacking.resets()
        replies += [await call.unary(PREDICT, b"x") for _ in range(GOOD)]
        assert [reply.details for reply in replies if not reply.ok] == []
        await one.until_idle()


BORN_DEAD = {
    "reset": lambda n: frames.reset(n, errors.CANCEL),
    "a window of 0": lambda n: frames.window_update(n, 0),
    "DATA after the end": lambda n: frames.frame(frames.DATA, 0, n, b"x"),
}


@pytest.mark.parametrize("kind", BORN_DEAD)
async def test_a_model_server_sees_no_stream_that_is_over_with_the_read_that_began_it(kind: str) -> None:
    # given a model server whose connection all callers share
    async with hostile_server() as server:
        what = service({"v1": server.address}, route(weights={"v1": 1}))
        async with sidecar("relay", what) as one, caller(one.address) as call:
            # when some keep coming back to begin streams that they have no use for
            for _ in range(10):
                async with attacker(one.address) as attacking:
                    assert await attacking.pong()
                    dead = (frames.headers(n, BLOCK, end=True) + BORN_DEAD[kind](n) for n in range(1, 100, 2))
                    await attacking.send(b"".join(dead))
                    assert await attacking.pong()
            # then it has seen those that were wanted, and no others
            assert (await call.unary(PREDICT, b"x")).ok
            assert server.streams() == 1
            await one.until_idle()


@pytest.mark.usefixtures("small_caps")
async def test_of_too_many_connections_the_longest_idle_makes_room() -> None:
    async with fronted("relay") as (_server, one, call), contextlib.AsyncExitStack() as stack:
        # given a caller, and idle connections that fill the relay
        assert (await call.unary(PREDICT, b"x")).ok
        idle = [await stack.enter_async_context(attacker(one.address)) for _ in range(4)]
        for each in idle:
            assert await each.pong()
        assert (await call.unary(PREDICT, b"x")).ok
        # when one more comes
        newcomer = await stack.enter_async_context(attacker(one.address))
        # then it is served in the place of the first, and the caller goes on
        assert await newcomer.pong()
        assert await idle[0].closed() == errors.ENHANCE_YOUR_CALM
        assert (await call.unary(PREDICT, b"x")).ok


async def test_a_caller_without_a_greeting_or_an_end_of_its_headers_is_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a relay that looks often and waits a tenth of a second
    monkeypatch.setattr(callers, "EVERY", 0.02)
    monkeypatch.setattr(overdue, "GREETING", 0.1)
    async with fronted("relay") as (_server, one, call), contextlib.AsyncExitStack() as stack:
        begun = (b"", PREFACE[:10], PREFACE[:24], PREFACE + frames.frame(frames.HEADERS, 0, 1, BLOCK))
        slow = [await stack.enter_async_context(attacker(one.address, said)) for said in begun]
        # then each is sent away, and who is idle is not
        for each in slow:
            assert await each.closed() == errors.ENHANCE_YOUR_CALM
        assert (await call.unary(PREDICT, b"x")).ok
