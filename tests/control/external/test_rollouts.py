"""Whole rollouts by a metric of another system: a control service, a sidecar and a webhook on real ports."""

import asyncio
import contextlib
import functools
import json
import pathlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from understudy.serving.http import HttpServer
from understudy.v1 import rollouts_pb2

from tests.support.fake_sidecar import fake_sidecar, live
from tests.support.plane import Plane, control_plane, until
from tests.support.rollouts import progressive

STAGES = (
    {"name": "canary", "percent": 10, "bake": "60s", "require": ["load <= 0.8"]},
    {"name": "full", "percent": 100},
)


@dataclass
class Source:
    """Answers with its value; with its status, where that is not 200."""

    value: Any = 0.5
    status: int = 200
    address: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)
    hangs: bool = False

    async def answer(self, request: Request) -> Response:
        self.asked.append(json.loads(await request.body()))
        if self.hangs:
            await asyncio.Event().wait()
        return JSONResponse({"value": self.value}, status_code=self.status)

    def metric(self, **fields: Any) -> dict[str, Any]:
        hook = {"url": f"http://{self.address}/load"}
        return {"name": "load", "webhook": hook, "interval": "0.3s", "timeout": "5s", **fields}


@contextlib.asynccontextmanager
async def source(**fields: Any) -> AsyncIterator[Source]:
    made = Source(**fields)
    server = HttpServer(Starlette(routes=[Route("/load", made.answer, methods=["POST"])]), "127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        made.address = await server.start(tasks)
        try:
            yield made
        finally:
            await server.stop()


async def asked(plane: Plane, load: Source, times: int) -> rollouts_pb2.RolloutStatus:
    """Time goes by, an interval at once, until it was asked so often."""
    while (before := len(load.asked)) < times:
        plane.clock.advance(0.3)
        await until(functools.partial(_more, load, before))
    return await plane.rollout()


async def _more(load: Source, before: int) -> bool | None:
    return len(load.asked) > before or None


def judged(status: rollouts_pb2.RolloutStatus) -> rollouts_pb2.CriterionStatus:
    """What the first stage's criterion comes to."""
    return status.stages[0].criteria[0] if status.stages[0].criteria else rollouts_pb2.CriterionStatus()


def canary(load: Source, **fields: Any) -> Any:
    return progressive(*STAGES, metrics=[load.metric(**fields)])


async def test_readings_within_the_bound_promote_and_replay_agrees(tmp_path: pathlib.Path) -> None:
    async with source() as load, control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(canary(load))
        await plane.stage("canary")
        await sidecar.report(live("v1"), live("v2"))
        await plane.until(lambda status: judged(status).value == 0.5)
        assert load.asked[0] == {
            "rollout": "fraud-v2-1",
            "service": "fraud",
            "route": "predict",
            "stage": "canary",
            "stable": "v1",
            "candidate": "v2",
        }
        await plane.bake("canary", 60)
        await plane.until(lambda status: status.phase == "Succeeded")
        end = (await plane.transitions())[1]
        assert end.event == "stage"
        assert "answers, 0 beyond the bound; 0 times no answer" in end.criteria[0].detail
        replayed = await plane.rollouts.Replay(rollouts_pb2.ReplayRequest(name="fraud-v2-1"))
        assert replayed.same, replayed


async def test_one_more_reading_beyond_the_bound_than_is_forgiven_rolls_back(tmp_path: pathlib.Path) -> None:
    async with (
        source(value=0.9) as load,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await plane.apply()
        await plane.start(canary(load, failure_limit=2))
        await plane.stage("canary")
        await sidecar.report(live("v1"), live("v2"))
        await asked(plane, load, 3)
        status = await plane.until(lambda status: status.phase == "RolledBack")
        assert "load" in status.reason
        assert len(load.asked) >= 3


async def test_no_answer_holds_and_says_why(tmp_path: pathlib.Path) -> None:
    async with (
        source(status=500) as load,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await plane.apply()
        await plane.start(canary(load))
        await plane.stage("canary")
        await sidecar.report(live("v1"), live("v2"))
        await plane.until(lambda status: "0 answers" in judged(status).detail)
        plane.clock.advance(60)
        status = await asked(plane, load, 3)
        assert (status.phase, status.stage) == ("Progressing", 0)
        load.status = 200  # then what it says is taken
        await asked(plane, load, 4)
        await plane.until(lambda status: status.phase == "Succeeded")


async def test_no_answer_fails_where_that_was_asked_for(tmp_path: pathlib.Path) -> None:
    async with (
        source(status=500) as load,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await plane.apply()
        await plane.start(canary(load, on_no_answer="fail"))
        await plane.stage("canary")
        await sidecar.report(live("v1"), live("v2"))
        await plane.until(lambda status: status.phase == "RolledBack")


async def test_a_source_that_hangs_holds_up_nothing_else(tmp_path: pathlib.Path) -> None:
    async with (
        source(hangs=True) as load,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await plane.apply()
        await plane.start(canary(load, timeout="60s"))
        await plane.stage("canary")
        await sidecar.report(live("v1"), live("v2"))
        await plane.until(lambda _: bool(load.asked))
        await plane.rollouts.Pause(rollouts_pb2.PauseRequest(name="fraud-v2-1"))
        await plane.until(lambda status: status.phase == "Paused")
        await plane.rollouts.Abort(rollouts_pb2.AbortRequest(name="fraud-v2-1"))
        await plane.until(lambda status: status.phase == "Aborted")
