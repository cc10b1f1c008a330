"""Traffic: every call is remembered as it went, and begins when it is due. Against a real server."""

import asyncio

import grpc
import pytest
from understudy.v1 import prediction_pb2

from examples.calls import Record, from_lines, to_lines
from examples.models.digits import Digits, split
from examples.traffic import DEADLINE, OPTIONS, Traffic
from tests.support.models import Behaviour, Received, fails, model, waits_for

_, HELD_OUT = split()
ONE = Digits(HELD_OUT.images[:1], HELD_OUT.labels[:1])
RIGHT = int(ONE.labels[0])


def says(label: int) -> Behaviour:
    """The sidecar's part, too: it marks the answer with the variant."""

    async def behave(call: Received) -> None:
        await call.read()
        await call.begin(("x-understudy-variant", "v2"))
        output = prediction_pb2.Tensor(name="label", shape=[1], ints=[label])
        await call.write(prediction_pb2.PredictResponse(outputs=[output]).SerializeToString())

    return behave


async def send(address: str, *, calls: int, users: int = 400, rate: float = 1000.0) -> list[Record]:
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        traffic = Traffic(channel, ONE, users)
        await traffic.run(rate, calls / rate, asyncio.Event())
    return traffic.records


@pytest.mark.parametrize(("label", "correct"), [(RIGHT, True), (RIGHT + 1, False)])
async def test_an_answer_is_remembered_with_its_variant_and_whether_it_was_right(label, correct):
    async with model(says(label)) as server:
        (record,) = await send(server.address, calls=1)
    assert (record.code, record.variant, record.correct) == ("OK", "v2", correct)
    assert 0 < record.seconds < 2
    assert record.ended == record.time + record.seconds


async def test_a_failed_call_is_remembered_and_not_tried_again():
    async with model(fails(grpc.StatusCode.UNAVAILABLE)) as server:
        records = await send(server.address, calls=5)
        assert len(server.calls) == 5
    assert [record.code for record in records] == ["UNAVAILABLE"] * 5


async def test_every_call_has_a_user_of_the_population_and_a_deadline():
    async with model(says(RIGHT)) as server:
        records = await send(server.address, calls=60, users=3)
        seen = [call.values("x-user-id") for call in server.calls]
        # gRPC rounds a timeout up on the wire, by some milliseconds
        assert all(1 < call.time_remaining < DEADLINE + 0.1 for call in server.calls)
    assert {user for (user,) in seen} <= {"user-0", "user-1", "user-2"}
    assert sorted(user for (user,) in seen) == sorted(record.user for record in records)


async def test_a_call_begins_when_it_is_due_however_long_others_take():
    released = asyncio.Event()
    async with model(waits_for(released, says(RIGHT))) as server, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(send(server.address, calls=20))
        for _ in range(20):
            await server.next_call()  # all twenty are there before the first is answered
        released.set()
    assert [record.code for record in sending.result()] == ["OK"] * 20


async def test_traffic_that_is_told_to_stop_waits_for_what_is_under_way():
    released, stop = asyncio.Event(), asyncio.Event()
    async with (
        model(waits_for(released, says(RIGHT))) as server,
        grpc.aio.insecure_channel(server.address, options=OPTIONS) as channel,
        asyncio.TaskGroup() as tasks,
    ):
        traffic = Traffic(channel, ONE, 5)
        tasks.create_task(traffic.run(100.0, float("inf"), stop))
        await server.next_call()
        stop.set()
        released.set()
    assert {record.code for record in traffic.records} == {"OK"}
    assert len(traffic.records) == len(server.calls)


def test_records_come_back_from_their_lines():
    records = [
        Record(1.5, "ann", "v2", "OK", 0.25, correct=True),
        Record(2.5, "bob", "", "UNAVAILABLE", 2.0, False),
    ]
    assert from_lines(to_lines(records)) == records
