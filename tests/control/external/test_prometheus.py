"""Rollouts by what a real Prometheus server says of each variant."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from understudy.serving.http import HttpServer
from understudy.v1 import rollouts_pb2

from tests.support.fake_sidecar import FakeSidecar, fake_sidecar, live
from tests.support.plane import Plane, control_plane
from tests.support.prometheus import PROMETHEUS, prometheus
from tests.support.rollouts import progressive

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="needs a Prometheus server to ask")

QUERY = 'gpu_load{version="{{candidate}}"}'


async def _page(_: Request) -> Response:
    """Metrics of two model servers: v1 has room, v2 has none."""
    text = "# TYPE gpu_load gauge\n" + 'gpu_load{version="v1"} 0.25\ngpu_load{version="v2"} 0.97\n'
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


@contextlib.asynccontextmanager
async def asked(directory: pathlib.Path) -> AsyncIterator[str]:
    """A Prometheus server that knows those metrics."""
    server = HttpServer(Starlette(routes=[Route("/metrics", _page)]), "127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        address = await server.start(tasks)
        try:
            async with prometheus(directory, address) as found:
                yield found
        finally:
            await server.stop()


def canary(address: str, query: str, require: str) -> Any:
    source = {"url": f"http://{address}", "query": query}
    metric = {"name": "load", "prometheus": source, "interval": "0.3s", "failure_limit": 2}
    stages = (
        {"name": "canary", "percent": 10, "bake": "60s", "require": [require]},
        {"name": "full", "percent": 100},
    )
    return progressive(*stages, metrics=[metric])


async def _begin(plane: Plane, sidecar: FakeSidecar, rollout: Any) -> None:
    await plane.apply()
    await plane.start(rollout)
    await plane.stage("canary")
    await sidecar.report(live("v1"), live("v2"))


async def _goes_by(
    plane: Plane, until: Callable[[rollouts_pb2.RolloutStatus], bool]
) -> rollouts_pb2.RolloutStatus:
    """The rollout once it is like that, time going by meanwhile."""

    def look(status: rollouts_pb2.RolloutStatus) -> bool:
        plane.clock.advance(0.05)
        return until(status)

    return await plane.until(look)


def _value(status: rollouts_pb2.RolloutStatus) -> float:
    return status.stages[0].criteria[0].value if status.stages[0].criteria else 0.0


def _detail(status: rollouts_pb2.RolloutStatus) -> str:
    return status.stages[0].criteria[0].detail if status.stages[0].criteria else ""


async def test_a_loaded_candidate_is_rolled_back(tmp_path: pathlib.Path) -> None:
    async with (
        asked(tmp_path) as address,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await _begin(plane, sidecar, canary(address, QUERY, "load <= 0.8"))
        status = await _goes_by(plane, lambda status: status.phase == "RolledBack")
        assert "load <= 0.8" in status.reason
        assert "3 beyond the bound" in status.reason


async def test_one_within_the_bound_is_promoted(tmp_path: pathlib.Path) -> None:
    async with (
        asked(tmp_path) as address,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        query = f'max_over_time({QUERY}[1m]) / ignoring(version) gpu_load{{version="{{{{stable}}}}"}}'
        await _begin(plane, sidecar, canary(address, query, "load <= 4"))
        await _goes_by(plane, lambda status: _value(status) == 0.97 / 0.25)
        plane.clock.advance(60)
        await plane.until(lambda status: status.phase == "Succeeded")


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("gpu_load", "finds 2 series"),
        ('gpu_load{version="v3"}', "finds no series"),
        ("gpu_load{", "answered 400"),
        (QUERY + "[1m]", "gives a matrix"),
        ("0 / 0", "nan"),
    ],
)
async def test_what_is_no_number_holds(tmp_path: pathlib.Path, query: str, why: str) -> None:
    async with (
        asked(tmp_path) as address,
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await _begin(plane, sidecar, canary(address, query, "load <= 0.8"))
        status = await _goes_by(plane, lambda status: why in _detail(status))
        assert (status.phase, status.stage) == ("Progressing", 0)
