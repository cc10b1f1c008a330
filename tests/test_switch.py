"""Blue/green by hand while callers call: sidecar processes of both engines, each always under traffic."""

import asyncio
import contextlib
import pathlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from understudy.v1 import services_pb2

from tests.support.callers import Reply, caller
from tests.support.eventually import eventually
from tests.support.models import echo, model
from tests.support.plane import Plane, control_plane, until
from tests.support.processes import Proxy, proxy, sidecar_file
from tests.support.rollouts import make_service
from tests.support.sidecars import ENGINES

PREDICT = "/understudy.v1.PredictionService/Predict"
CALLERS = 3
ENOUGH = 50
"""Calls of a sidecar before, and after, all traffic moves."""


@dataclass
class Called:
    """Every call that one sidecar was asked for: when it began, and what became of it."""

    sidecar: Proxy
    calls: list[tuple[float, Reply]] = field(default_factory=list)

    async def call_on_and_on(self) -> None:
        async with caller(self.sidecar.listening["data"]) as calls:
            while True:
                began = time.monotonic()
                self.calls.append((began, await calls.unary(PREDICT, b"x")))

    def since(self, when: float) -> list[str]:
        """Who served the calls that began after this moment."""
        return [reply.variant for began, reply in self.calls if began > when]


async def confirmed(plane: Plane, version: int) -> dict[str, float]:
    """When each sidecar's ACK of a snapshot was seen, at the latest."""
    seen: dict[str, float] = {}

    async def look() -> bool | None:
        sidecars = await plane.sidecars()
        for one in sidecars:
            if one.version >= version:
                seen.setdefault(one.node, time.monotonic())
        return len(seen) == len(ENGINES) or None

    await until(look)
    return seen


@contextlib.asynccontextmanager
async def under_traffic(directory: pathlib.Path, plane: Plane) -> AsyncIterator[dict[str, Called]]:
    """A sidecar of each engine, called all the time until the end."""
    async with contextlib.AsyncExitStack() as open_ones:
        fleet = {}
        for engine in ENGINES:
            place = directory / engine
            place.mkdir()
            fields = {"control": plane.address, "subscribe": "fraud", "report_interval": "0.1s"}
            file = sidecar_file(place, engine=engine, node=engine, **fields)
            fleet[engine] = Called(await open_ones.enter_async_context(proxy(file)))
        for one in fleet.values():
            await one.sidecar.until_ready()
        async with asyncio.TaskGroup() as tasks:
            calling = [
                tasks.create_task(one.call_on_and_on()) for one in fleet.values() for _ in range(CALLERS)
            ]
            yield fleet
            for task in calling:
                task.cancel()


async def both_seen_live(plane: Plane) -> None:
    async def look() -> bool | None:
        variants = (await plane.service()).variants
        return all(one.live_at == len(ENGINES) for one in variants) or None

    await until(look)


async def all_served_by(fleet: dict[str, Called], variant: str, seen: dict[str, float]) -> None:
    """Not one call went elsewhere that began after its sidecar's ACK was seen."""
    for node, one in fleet.items():
        await eventually(lambda one=one, node=node: len(one.since(seen[node])) > ENOUGH)
        assert set(one.since(seen[node])) == {variant}


async def test_all_traffic_moves_in_one_push_and_back_in_one_and_no_call_fails(
    tmp_path: pathlib.Path,
) -> None:
    async with model(echo) as first, model(echo) as second, control_plane(tmp_path) as plane:
        service = make_service(
            variants=[{"name": "v1", "target": first.address}, {"name": "v2", "target": second.address}],
            routes=[
                {
                    "name": "old",
                    "match": {"headers": [{"name": "slot", "exact": "v1"}]},
                    "split": {"weights": {"v1": 100}},
                },
                {"name": "all", "split": {"weights": {"v1": 100}}},
            ],
        )
        applied = await plane.apply(service)
        async with under_traffic(tmp_path, plane) as fleet:
            await both_seen_live(plane)
            await all_served_by(fleet, "v1", await confirmed(plane, applied.version))

            there = await plane.services.Switch(services_pb2.SwitchRequest(service="fraud", variant="v2"))
            await all_served_by(fleet, "v2", await confirmed(plane, there.version))
            for one in fleet.values():
                async with caller(one.sidecar.listening["data"]) as calls:
                    assert (await calls.unary(PREDICT, b"x", (("slot", "v1"),))).variant == "v1"

            back = await plane.services.Rollback(services_pb2.RollbackRequest(service="fraud"))
            await all_served_by(fleet, "v1", await confirmed(plane, back.version))
        assert [there.version - applied.version, back.version - there.version] == [1, 1]
        failed = [reply for one in fleet.values() for _, reply in one.calls if not reply.ok]
        assert failed == []
