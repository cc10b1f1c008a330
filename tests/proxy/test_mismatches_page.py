"""The last mismatches, as the admin door shows them."""

import asyncio
import json
import pathlib
from typing import Any

import pytest
from understudy.v1 import prediction_pb2

from proxy.admin import Doors, admin_app, status_app
from proxy.stats.ledger import Ledger
from proxy.stats.records import PER_OUTCOME, Record
from tests.support.callers import caller
from tests.support.models import Behaviour, Received, model
from tests.support.predictions import ours
from tests.support.processes import proxy, sidecar_file
from tests.support.sidecars import ENGINES, route, service

PREDICT = "/understudy.v1.PredictionService/Predict"


def record(number: int, outcome: str = "mismatch_values") -> Record:
    return Record(float(number), "r", "v1", "v2", "1", "2", outcome, reason=str(number))


async def page(app: Any, path: str) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "path": path, "method": "GET", "headers": []}, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_the_last_mismatches_are_shown_newest_first_and_on_the_admin_door_only() -> None:
    ledger = Ledger(mismatches=2)
    for number in range(4):
        ledger.record(record(number))
    ledger.record(record(9, "deadline"))
    ledger.record(record(9, "match"))
    unused: Any = None  # by these pages
    doors = Doors(unused, unused, lambda: False, lambda: None, ledger.mismatches)
    status, body = await page(admin_app(doors), "/mismatches")
    assert (status, [one["reason"] for one in json.loads(body)["mismatches"]]) == (200, ["3", "2"])
    assert (await page(status_app(doors), "/mismatches"))[0] == 404


def test_a_window_keeps_so_many_records_of_each_outcome() -> None:
    ledger = Ledger()
    for number in range(PER_OUTCOME + 5):
        ledger.record(record(number))
    ledger.record(record(0, "match"))
    assert len(ledger.take_window().records.kept) == PER_OUTCOME + 1


def numbers_its_answers(plus: float) -> Behaviour:
    async def behave(call: Received) -> None:
        request = prediction_pb2.PredictRequest.FromString(await call.read() or b"")
        await call.write(ours(score=[float(request.model_name) * plus]))

    return behave


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_sidecar_keeps_the_newest_and_nothing_of_users(tmp_path: pathlib.Path, engine: str) -> None:
    copies = {"variant": "v2", "percent": 100, "deadline": "20s", "compare": {"record_values": True}}
    split = {"weights": {"v1": 1}, "sticky": {"metadata": ["x-user-id"], "payload": True}}
    async with model(numbers_its_answers(1)) as first, model(numbers_its_answers(2)) as second:
        what = service({"v1": first.address, "v2": second.address}, route(split=split, mirrors=[copies]))
        file = sidecar_file(tmp_path, what, engine=engine, limits={"mismatches": 5})
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            await one.until_ready()
            shown: list[float] = []
            for number in range(12):
                user = f"secret-user-{number}"
                request = prediction_pb2.PredictRequest(model_name=str(number + 1), user_id=user)
                reply = await call.unary(PREDICT, request.SerializeToString(), [("x-user-id", user)])
                assert reply.ok
                async with asyncio.timeout(60):
                    while number + 1.0 not in shown:  # compared one after the other
                        _, body = await one.get("admin", "/mismatches")
                        shown = [each["max_absolute"] for each in json.loads(body)["mismatches"]]
            metrics = (await one.get("admin", "/metrics"))[1]

    assert shown == [12.0, 11.0, 10.0, 9.0, 8.0]
    assert '"score\\": 24.0' in body  # values, which the route asks for, and no user
    assert "secret-user" not in body + metrics + one.errors.read_text()
