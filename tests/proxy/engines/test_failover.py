"""A variant without a live address: its calls, and no others, go to the fallback, and come back."""

import grpc
import pytest

from tests.support.callers import caller
from tests.support.models import hangs, model
from tests.support.sidecars import route, service, sidecar

UNARY = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])
DEAD = "127.0.0.1:1"


@BOTH
async def test_a_dead_variants_calls_are_marked_and_counted(engine: str, method: str) -> None:
    async with model() as first:
        what = service({"v1": first.address, "v2": DEAD}, route(weights={"v2": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            await one.until_dead("v2")
            replies = [await call.unary(method) for _ in range(5)]

    arms = one.ledger.take_window().arms
    assert {(reply.code, reply.variant) for reply in replies} == {(grpc.StatusCode.OK, "v1")}
    assert {reply.value("x-understudy-fallback") for reply in replies} == {"v2"}
    assert one.ledger.totals.fallbacks == {"v2": 5}
    assert arms["all", "v2", False, 1, 1].fallbacks == 5
    assert ("all", "v1", False, 1, 1) not in arms


async def test_calls_meant_for_the_living_are_not_marked(engine: str) -> None:
    async with model() as first:
        what = service({"v1": first.address, "v2": DEAD}, route(weights={"v1": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            reply = await call.unary(UNARY)

    assert reply.values("x-understudy-fallback") == []
    assert not one.ledger.totals.fallbacks


async def test_calls_return_when_the_target_does(engine: str) -> None:
    async with model() as first, model() as second:
        what = service({"v1": first.address, "v2": second.address}, route(weights={"v2": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            assert (await call.unary(UNARY)).variant == "v2"
            await second.kill()
            await one.until_dead("v2")
            assert (await call.unary(UNARY)).variant == "v1"
            await second.start()
            await one.until_live("v2")
            assert (await call.unary(UNARY)).variant == "v2"


@BOTH
async def test_nobody_left_is_unavailable(engine: str, method: str) -> None:
    what = service({"v1": DEAD, "v2": "127.0.0.1:2"}, route(weights={"v2": 1}))
    async with sidecar(engine, what) as one, caller(one.address) as call:
        await one.until_dead("v1")
        await one.until_dead("v2")
        reply = await call.unary(method)

    assert (reply.code, reply.error) == (grpc.StatusCode.UNAVAILABLE, "no_live_upstream")


@BOTH
async def test_no_call_is_lost_between_a_targets_death_and_its_discovery(engine: str, method: str) -> None:
    """What was never sent to the variant can go to the fallback, and does."""
    async with model() as first, model() as second:
        what = service({"v1": first.address, "v2": second.address}, route(weights={"v2": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            await one.until_live("v2")
            await second.kill()
            replies = [await call.unary(method) for _ in range(50)]

    assert {(reply.code, reply.error) for reply in replies} == {(grpc.StatusCode.OK, "")}


async def test_every_address_of_a_target_is_used(engine: str) -> None:
    async with model() as first, model() as second:
        both = f"ipv4:{first.address},{second.address}"
        async with sidecar(engine, service({"v1": both})) as one, caller(one.address) as call:
            await one.until_live("v1")
            while not (first.calls and second.calls):
                assert (await call.unary(UNARY)).ok
            await first.kill()
            replies = [await call.unary(UNARY) for _ in range(10)]

    assert replies[-1].ok


async def test_a_unix_socket_is_a_target_too(engine: str, tmp_path: object) -> None:
    async with model() as first, model() as second:
        await first.kill()
        first.address = f"unix:{tmp_path}/model.sock"
        await first.start(first.address)
        target = f"unix:{tmp_path}/model.sock"
        what = service({"v1": target, "v2": second.address})
        async with sidecar(engine, what) as one, caller(one.address) as call:
            assert (await call.unary(UNARY, b"x")).message == b"x"


async def test_a_reset_call_is_not_sent_twice(engine: str) -> None:
    async with model(hangs) as first, model() as second:
        what = service({"v1": second.address, "v2": first.address}, route(weights={"v2": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            pending = call.channel.unary_unary(UNARY)(b"once")
            await first.next_call()
            await first.kill()
            assert await pending.code() is grpc.StatusCode.UNAVAILABLE

    assert second.calls == []
