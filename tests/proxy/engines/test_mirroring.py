"""Copies to a shadow: which calls it gets, and when. No caller ever waits for one."""

import asyncio

import grpc
import pytest

from tests.support.eventually import eventually
from tests.support.mirroring import mirrored
from tests.support.models import Received, answers, waits_for
from tests.support.sidecars import route, service

OURS = "/understudy.v1.PredictionService/Predict"
V2 = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = "/any.Service/Method"
METHODS = pytest.mark.parametrize("method", [OURS, V2, UNKNOWN])


async def test_the_copy_is_marked_and_is_a_child_of_the_call(engine: str) -> None:
    trace_id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    metadata = (
        ("traceparent", f"00-{trace_id}-{parent}-01"),
        ("tracestate", "vendor=1,other=2"),
        *(("x-user-id", "u"), ("x-raw-bin", b"\xff"), ("x-understudy-mirror", "0")),
    )
    async with mirrored(engine) as setup:
        await setup.call.unary(OURS, metadata=metadata)
        await setup.sidecar.until_mirrored()

    (live,), (copy,) = setup.primary.calls, setup.shadow.calls
    assert live.values("x-understudy-mirror") == []
    assert copy.values("x-understudy-mirror") == ["1"]
    assert copy.values("x-understudy-hops") == live.values("x-understudy-hops") == ["1"]
    assert copy.values("x-request-id") == live.values("x-request-id")
    assert copy.values("x-user-id") == ["u"]
    assert copy.values("x-raw-bin") == [b"\xff"]
    assert copy.values("tracestate") == ["vendor=1,other=2"]
    spans = [str(one.values("traceparent")[0]).split("-") for one in (live, copy)]
    assert {span[1] for span in spans} == {trace_id}
    assert len({parent, spans[0][2], spans[1][2]}) == 3


async def test_the_copy_has_the_mirrors_deadline(engine: str) -> None:
    async with mirrored(engine, deadline="3s") as setup:
        await setup.call.unary(OURS, deadline=60.0)
        await setup.sidecar.until_mirrored()

    remaining = setup.shadow.calls[0].time_remaining
    assert remaining is not None
    assert remaining < 3.1


@METHODS
async def test_the_copy_does_not_wait_for_the_primarys_answer(engine: str, method: str) -> None:
    async with mirrored(engine) as setup:
        released = asyncio.Event()
        setup.primary.behaviour = waits_for(released)
        async with asyncio.TaskGroup() as tasks:
            pending = tasks.create_task(setup.call.unary(method))
            await setup.shadow.next_call()
            assert not pending.done()
            released.set()
        await setup.sidecar.until_mirrored()

    assert pending.result().ok
    assert setup.outcomes == {"match": 1}


@METHODS
async def test_a_shadow_that_answers_last_is_not_waited_for(engine: str, method: str) -> None:
    released = asyncio.Event()
    async with mirrored(engine, shadow=waits_for(released)) as setup:
        replies = [await setup.call.unary(method) for _ in range(10)]  # all are back …
        assert setup.outcomes == {}  # … and no shadow has answered
        assert setup.sidecar.ledger.totals.mirror_seen == {"v2": 10}
        released.set()
        await setup.sidecar.until_mirrored()

    assert all(reply.ok for reply in replies)
    assert setup.outcomes == {"match": 10}


async def test_a_marked_call_of_a_trusted_peer_is_not_copied_again(engine: str) -> None:
    async with mirrored(engine, options={"trusted": ["127.0.0.1"]}) as setup:
        reply = await setup.call.unary(OURS, metadata=[("x-understudy-mirror", "1")])

    assert reply.ok
    assert setup.shadow.calls == []
    assert not setup.sidecar.ledger.totals.mirror_seen


async def test_a_share_of_the_calls_is_copied(engine: str) -> None:
    async with mirrored(engine, percent=30) as setup:
        for _ in range(300):
            await setup.call.unary(OURS)
        await setup.sidecar.until_mirrored()

    assert 40 < setup.outcomes["match"] < 150  # five standard deviations


async def test_a_single_request_is_copied_however_late_its_half_close(engine: str) -> None:
    async with mirrored(engine) as setup:
        stream = setup.call.stream(UNKNOWN)
        await stream.write(b"x")
        await eventually(lambda: setup.primary.calls and setup.primary.calls[0].messages)
        assert setup.shadow.calls == []
        await stream.done_writing()
        assert await stream.read() == b"x"
        assert await stream.code() is grpc.StatusCode.OK
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"match": 1}


async def test_a_single_request_is_copied_where_the_answer_overtakes_its_half_close(engine: str) -> None:
    async with mirrored(engine, answers(b"y"), answers(b"y")) as setup:
        stream = setup.call.stream(UNKNOWN)
        await stream.write(b"x")
        assert await stream.read() == b"y"
        assert await stream.code() is grpc.StatusCode.OK
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"match": 1}


async def test_a_push_that_takes_the_shadow_away_leaves_nothing_held(engine: str) -> None:
    async def answer_at_leisure(call: Received) -> None:
        await call.read()
        await asyncio.Event().wait()

    async with mirrored(engine, shadow=answer_at_leisure, deadline="0.5s") as setup:
        without = service({"v1": setup.primary.address}, route(weights={"v1": 1}))
        table = setup.sidecar.engine.table()
        assert table is not None
        for number in range(40):
            if number % 2:
                setup.sidecar.apply(without)
            else:
                setup.sidecar.apply(table.snapshot.service)
            assert (await setup.call.unary(OURS)).ok
        await setup.sidecar.until_mirrored()

    assert set(setup.outcomes) <= {"deadline", "unreachable", "cancelled"}
