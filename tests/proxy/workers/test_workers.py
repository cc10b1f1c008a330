"""Several workers as one sidecar: they share the calls, are shown as one, return, and end together."""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from understudy.v1 import discovery_pb2

from proxy.config.last_known_good import LastKnownGood
from tests.support.callers import Reply, caller
from tests.support.discovery import scripted_control
from tests.support.eventually import eventually
from tests.support.models import model, waits_for
from tests.support.processes import Proxy, proxy, sidecar_file, understudy
from tests.support.sidecars import ENGINES, route, service

METHOD = "/understudy.v1.PredictionService/Predict"

pytestmark = pytest.mark.parametrize("engine", ENGINES)


async def calls_from_many(one: Proxy, connections: int = 30) -> list[Reply]:
    """Two calls over each of many connections."""

    async def two() -> list[Reply]:
        async with caller(one.listening["data"]) as call:
            return [await call.unary(METHOD, b"x") for _ in range(2)]

    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(two()) for _ in range(connections)]
    return [reply for task in made for reply in task.result()]


async def metric(one: Proxy, name: str, page: str = "/metrics", **labels: str) -> float:
    """The sum over all samples of a metric."""
    _, text = await one.get("admin", page)
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def workers(one: Proxy) -> list[dict[str, Any]]:
    _, body = await one.get("admin", "/workers")
    found: list[dict[str, Any]] = json.loads(body)["workers"]
    return found


def are_gone(processes: Iterable[int]) -> bool:
    """Whether they have ended; their parent may not have looked."""

    def is_there(process: int) -> bool:
        try:
            status = pathlib.Path(f"/proc/{process}/stat").read_text()
        except FileNotFoundError:
            return False
        return status.rpartition(")")[2].split()[0] != "Z"

    return not any(map(is_there, processes))


async def test_they_share_the_calls_and_are_shown_as_one_sidecar(tmp_path: pathlib.Path, engine: str) -> None:
    async with model() as server, model() as shadow:
        mirrors = [{"variant": "v2", "percent": 100}]
        what = service(
            {"v1": server.address, "v2": shadow.address}, route(weights={"v1": 1}, mirrors=mirrors)
        )
        async with proxy(sidecar_file(tmp_path, what, engine=engine, workers=2)) as one:
            await one.until_ready()
            assert set(one.listening) == {"data", "admin", "status"}
            replies = await calls_from_many(one)
            assert await metric(one, "understudy_requests_total", code="OK") == 60
            each = [
                await metric(one, "understudy_requests_total", f"/workers/{number}/metrics")
                for number in (0, 1)
            ]
            async with asyncio.timeout(60):
                while await metric(one, "understudy_mirror_total") < 60:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(0.02)
            assert await metric(one, "understudy_mirror_seen_total") == 60
            assert await metric(one, "understudy_request_duration_seconds_count") == 60
            shown = json.loads((await one.get("admin", "/snapshot"))[1])
            refused = [
                await one.get("status", "/workers"),
                await one.get("admin", "/workers/2/metrics"),
                await one.get("admin", "/drain"),
                await one.get("status", "/drain", "POST"),
            ]
            assert await one.get("status", "/healthz") == (200, "ok\n")

    assert all(reply.ok for reply in replies)
    assert sum(each) == 60
    assert min(each) > 0
    assert shown["snapshot"]["service"]["name"] == "fraud"
    assert [one["worker"] for one in shown["workers"]] == [0, 1]
    assert [code for code, _ in refused] == [404, 404, 405, 405]


async def test_one_that_is_killed_returns_and_the_others_serve_meanwhile(
    tmp_path: pathlib.Path, engine: str
) -> None:
    async with model() as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), engine=engine, workers=2)
        async with proxy(file, errors_of=["worker ended"]) as one:
            await one.until_ready()
            await calls_from_many(one)
            before = await metric(one, "understudy_requests_total")
            first, other = [found["pid"] for found in await workers(one)]
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(60):
                while (meanwhile := await one.get("status", "/readyz"))[0] == 200:
                    pass
            await eventually(lambda: are_gone([first]))
            replies = await calls_from_many(one)
            await one.until_ready()
            again = await workers(one)
            async with asyncio.timeout(60):  # the new one may be too busy to show its part at once
                while await metric(one, "understudy_requests_total") != before + 60:
                    pass
            (line,) = one.logged("worker ended")
            one.terminate()
            assert await one.ended() == 0

    assert meanwhile[0] == 503
    assert meanwhile[1].startswith("worker 0")
    assert all(reply.ok for reply in replies), replies
    assert [found["starts"] for found in again] == [2, 1]
    assert again[0]["pid"] != first
    assert again[1]["pid"] == other
    assert (line["worker"], line["pid"], line["code"]) == (0, first, -signal.SIGKILL)


async def test_each_is_a_sidecar_to_the_control_service(tmp_path: pathlib.Path, engine: str) -> None:
    async with model() as first, model() as second, scripted_control() as control:
        file = sidecar_file(
            tmp_path,
            engine=engine,
            workers=2,
            node="pod",
            control=control.address,
            subscribe="fraud",
            state_dir=str(tmp_path / "state"),
            report_interval="0.1s",
        )
        async with proxy(file) as one:
            streams = [await control.next_stream() for _ in range(2)]
            nodes = {(await stream.next()).node for stream in streams}
            assert (await one.get("admin", "/snapshot"))[0] == 503
            for version, target in enumerate((first, second), 1):
                what = service({"v1": target.address})
                pushed = discovery_pb2.Snapshot(epoch=1, version=version, service=what)
                for stream in streams:
                    assert not (await stream.ask(pushed)).HasField("error_detail")
                await one.until_ready()
                shown = json.loads((await one.get("admin", "/snapshot"))[1])
                assert [found["version"] for found in shown["workers"]] == [version] * 2
            assert all(reply.ok for reply in await calls_from_many(one))
            one.terminate()
            assert await one.ended() == 0

    assert nodes == {"pod/0", "pod/1"}
    assert (len(first.calls), len(second.calls)) == (0, 60)
    assert [LastKnownGood(tmp_path / "state" / number, "fraud").load() for number in "01"] == [pushed] * 2
    counted = dict.fromkeys(nodes, 0)
    for report in control.stored():
        counted[report.node] += sum(evidence.codes["OK"] for evidence in report.evidence)
    assert sum(counted.values()) == 60
    assert min(counted.values()) > 0


async def test_one_that_returns_begins_with_what_the_others_have(tmp_path: pathlib.Path, engine: str) -> None:
    """Although the control service is gone, and no directory was given to keep anything in."""
    async with model() as server, contextlib.AsyncExitStack() as stack:
        control = await stack.enter_async_context(scripted_control())
        file = sidecar_file(tmp_path, engine=engine, workers=2, control=control.address, subscribe="fraud")
        one = await stack.enter_async_context(proxy(file, errors_of=["worker ended"]))
        pushed = discovery_pb2.Snapshot(epoch=1, version=5, service=service({"v1": server.address}))
        for stream in [await control.next_stream() for _ in range(2)]:
            await stream.next()
            await stream.ask(pushed)
        await control.kill()
        os.kill((await workers(one))[0]["pid"], signal.SIGKILL)
        async with asyncio.timeout(60):
            while (await workers(one))[0]["starts"] < 2:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.01)
        await one.until_ready()
        replies = await calls_from_many(one)
        shown = json.loads((await one.get("admin", "/workers/0/snapshot"))[1])

    assert all(reply.ok for reply in replies), replies
    assert (shown["epoch"], shown["version"]) == (1, 5)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL of the parent", "drain"])
async def test_all_drain_with_their_calls_in_flight(tmp_path: pathlib.Path, engine: str, how: str) -> None:
    released = asyncio.Event()
    async with model(waits_for(released)) as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), engine=engine, workers=2)
        async with proxy(file) as one, asyncio.TaskGroup() as tasks:
            await one.until_ready()
            calling = tasks.create_task(calls_from_many(one, 20))
            await eventually(lambda: len(server.calls) == 20)
            processes = [found["pid"] for found in await workers(one)]
            draining = None
            match how:
                case "SIGTERM":
                    one.terminate()
                case "drain":
                    draining = tasks.create_task(understudy("drain", "--admin", one.listening["admin"]))
                case _:
                    one.process.kill()
            await eventually(lambda: len(one.logged("draining")) >= 2)
            assert not are_gone(processes)
            released.set()
            code = await one.ended()
            await eventually(lambda: are_gone(processes))
            # Their second calls find nobody.
            replies = await calling

    assert [reply.ok for reply in replies[::2]] == [True] * 20, replies
    assert code == (-signal.SIGKILL if how.startswith("SIGKILL") else 0)
    assert len(one.logged("drained")) == (2 if how.startswith("SIGKILL") else 3)
    if draining is not None:
        assert (draining.result().code, draining.result().out) == (0, "drained\n")
