"""From a call through a real sidecar's engine, by its ticket, to the accuracy of a variant and its shadow."""

import contextlib
import pathlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from understudy.v1 import outcomes_pb2, outcomes_pb2_grpc, telemetry_pb2_grpc

from control.store import outcome_limits
from proxy.telemetry.report import build_report
from tests.support.callers import caller
from tests.support.clock import ManualClock
from tests.support.models import answers, model
from tests.support.plane import Plane, control_plane
from tests.support.predictions import ours
from tests.support.sidecars import ENGINES, Sidecar, route, service, sidecar

PREDICT = "/understudy.v1.PredictionService/Predict"
SECRET = b"sixteen bytes or more"


@dataclass
class World:
    """A control service, a sidecar before two models, and what is between them."""

    plane: Plane
    sidecar: Sidecar
    outcomes: Any
    telemetry: Any
    call: Any
    reported: int = 0

    async def ticket(self) -> str:
        """That of one call."""
        value: str = (await self.call.unary(PREDICT)).value("x-understudy-ticket")
        await self.sidecar.until_mirrored()
        return value

    async def deliver(self) -> None:
        """Report what the sidecar saw."""
        self.reported += 1
        where = {"node": "n", "boot_id": "b", "service": "fraud", "start": 1.0, "end": 2.0}
        window = self.sidecar.ledger.take_window()
        await self.telemetry.Report(build_report(window, {}, sequence=self.reported, **where))

    async def report(self, *outcomes: outcomes_pb2.Outcome) -> outcomes_pb2.OutcomesReportResponse:
        answer: outcomes_pb2.OutcomesReportResponse = await self.outcomes.Report(
            outcomes_pb2.OutcomesReportRequest(outcomes=outcomes)
        )
        return answer

    async def accuracy(self) -> dict[tuple[str, bool], tuple[int, int]]:
        answer = await self.outcomes.Summary(outcomes_pb2.OutcomesSummaryRequest(service="fraud"))
        return {(one.variant, one.mirrored): (one.right, one.labelled) for one in answer.figures}


@contextlib.asynccontextmanager
async def world(directory: pathlib.Path, *secrets: bytes) -> AsyncIterator[World]:
    """v1 says cat; v2, its shadow, says dog."""
    compare = {"record_values": True, "sample_percent": 100}
    copies = {"variant": "v2", "percent": 100, "deadline": "20s", "compare": compare}
    async with (
        model(answers(ours(label=["cat"]))) as first,
        model(answers(ours(label=["dog"]))) as second,
        control_plane(directory, ManualClock(time.time()), secrets) as plane,
        grpc.aio.insecure_channel(plane.address) as channel,
    ):
        targets = {"v1": first.address, "v2": second.address}
        what = service(targets, route(weights={"v1": 1}, mirrors=[copies]))
        await plane.apply(what)
        secret = secrets[0] if secrets else b""
        async with sidecar(ENGINES[0], what, secret=secret) as one, caller(one.address) as call:
            stub = telemetry_pb2_grpc.TelemetryStub(channel)
            yield World(plane, one, outcomes_pb2_grpc.OutcomesStub(channel), stub, call)


async def test_a_label_scores_the_variant_that_served_and_the_shadow_that_did_not(
    tmp_path: pathlib.Path,
) -> None:
    async with world(tmp_path) as here:
        tickets = [await here.ticket() for _ in range(3)]
        early = await here.report(outcomes_pb2.Outcome(ticket=tickets[0], label="dog"))
        await here.deliver()
        late = await here.report(*(outcomes_pb2.Outcome(ticket=each, label="cat") for each in tickets))
        found = await here.accuracy()
    assert (early.accepted, early.unmatched) == (1, 1)
    assert (late.accepted, late.duplicates, late.unmatched) == (2, 1, 0)
    assert found == {("v1", False): (2, 3), ("v2", True): (1, 3)}


async def test_what_is_refused_says_which_and_why_and_the_rest_counts(tmp_path: pathlib.Path) -> None:
    async with world(tmp_path, SECRET) as here:
        signed = await here.ticket()
        unsigned = signed.partition(".")[0]
        answer = await here.report(
            outcomes_pb2.Outcome(ticket="?", correct=True),
            outcomes_pb2.Outcome(ticket=signed, correct=True),
            outcomes_pb2.Outcome(ticket=unsigned, correct=True),
        )
        here.plane.clock.advance(8 * 24 * 3600)
        old = await here.report(outcomes_pb2.Outcome(ticket=signed, correct=True))
        found = await here.accuracy()
    assert (answer.accepted, answer.rejected) == (1, 2)
    assert [(each.index, each.reason) for each in answer.refusals] == [(0, "malformed"), (2, "unsigned")]
    assert [each.reason for each in old.refusals] == ["too_old"]
    assert found == {("v1", False): (1, 1)}


async def test_what_may_have_counted_before_counts_no_more(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_limits, "KEPT_OUTCOMES", 0)
    async with world(tmp_path) as here:
        outcome = outcomes_pb2.Outcome(ticket=await here.ticket(), correct=True)
        first = await here.report(outcome)
        again = await here.report(outcomes_pb2.Outcome(ticket="?", correct=True), outcome)
    assert (first.accepted, again.accepted, again.duplicates, again.rejected) == (1, 0, 0, 2)
    assert [(each.index, each.reason) for each in again.refusals] == [(0, "malformed"), (1, "too_old")]


async def test_outcomes_outlive_the_control_service(tmp_path: pathlib.Path) -> None:
    async with world(tmp_path) as here:
        outcome = outcomes_pb2.Outcome(ticket=await here.ticket(), correct=True)
        await here.report(outcome)
    async with world(tmp_path) as here:
        again, found = await here.report(outcome), await here.accuracy()
    assert (again.accepted, again.duplicates) == (0, 1)
    assert found == {("v1", False): (1, 1)}


async def test_a_service_that_is_not_there_has_no_summary_and_too_many_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    async with world(tmp_path) as here:
        with pytest.raises(grpc.aio.AioRpcError, match="no service is called 'spam'"):
            await here.outcomes.Summary(outcomes_pb2.OutcomesSummaryRequest(service="spam"))
        with pytest.raises(grpc.aio.AioRpcError, match="must have at most 10000 entries, got 10001"):
            await here.report(*[outcomes_pb2.Outcome()] * 10_001)
