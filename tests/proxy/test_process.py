"""The sidecar as a process: its doors, its end, and what it refuses to start with."""

import asyncio
import json
import pathlib
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.models import model, waits_for
from tests.support.processes import LOOPBACK, Proxy, proxy, sidecar_file, understudy
from tests.support.sidecars import route, service

OURS = "/understudy.v1.PredictionService/Predict"
UNKNOWN = "/any.Service/Method"
TRACEPARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


async def test_says_where_it_listens(tmp_path: pathlib.Path) -> None:
    async with model() as server, proxy(sidecar_file(tmp_path, service({"v1": server.address}))) as one:
        assert set(one.listening) == {"data", "admin", "status"}
        assert all(re.fullmatch(r"127\.0\.0\.1:[1-9]\d+", address) for address in one.listening.values())
        async with caller(one.listening["data"]) as call:
            assert (await call.unary(OURS, b"x")).message == b"x"


async def test_is_ready_only_with_a_live_fallback(tmp_path: pathlib.Path) -> None:
    async with model() as server:
        await server.kill()
        what = service({"v1": server.address, "v2": "127.0.0.1:1"}, route(weights={"v2": 1}))
        async with proxy(sidecar_file(tmp_path, what)) as one:
            assert await one.get("status", "/healthz") == (200, "ok\n")
            await _until(one, "does not take connections")
            status, reason = await one.get("admin", "/readyz")
            assert (status, reason) == (
                503,
                f"fallback variant v1: dns:///{server.address} does not take connections\n",
            )
            await server.start()
            await one.until_ready()  # although v2 is dead
            assert await one.get("admin", "/readyz") == (200, "ready\n")


async def _until(one: Proxy, reason: str) -> None:
    async with asyncio.timeout(60):
        while reason not in (await one.get("status", "/readyz"))[1]:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)


async def test_only_the_admin_door_shows_and_does_everything(tmp_path: pathlib.Path) -> None:
    async with model() as server, proxy(sidecar_file(tmp_path, service({"v1": server.address}))) as one:
        status, body = await one.get("admin", "/snapshot")
        shown = json.loads(body)
        refused = [
            await one.get("status", path, method)
            for path, method in [("/snapshot", "GET"), ("/drain", "POST"), ("/healthz", "POST"), ("/", "GET")]
        ]
        head = await one.get("status", "/healthz", "HEAD")
        assert await one.get("admin", "/drain") == (405, "only POST\n")
        assert one.process.returncode is None

    assert (status, shown["epoch"], shown["version"]) == (200, 0, 0)
    assert shown["snapshot"]["service"]["variants"][0]["target"] == server.address
    assert [code for code, _ in refused] == [404, 405, 405, 404]
    assert head == (200, "")


SERIES = {
    "understudy_requests_total": {"variant", "method", "code"},
    "understudy_request_duration_seconds_bucket": {"variant", "le"},
    "understudy_request_duration_seconds_count": {"variant"},
    "understudy_request_duration_seconds_sum": {"variant"},
    "understudy_requests_in_flight": {"variant"},
    "understudy_fallback_total": {"variant"},
    "understudy_mirror_total": {"variant", "outcome"},
    "understudy_mirror_seen_total": {"variant"},
    "understudy_config_info": {"epoch", "version"},
    "understudy_config_age_seconds": set(),
    "understudy_config_rejected_total": set(),
    "understudy_control_connected": set(),
}
"""Section 8 of the design; every one has the label `service` besides."""


async def test_metrics_have_their_names_and_labels(tmp_path: pathlib.Path) -> None:
    async with model() as server, model() as shadow:
        mirrors = [{"variant": "v2", "percent": 100}]
        what = service(
            {"v1": server.address, "v2": shadow.address, "v3": "127.0.0.1:1"},
            route("dead", match={"methods": [UNKNOWN]}, weights={"v3": 1}),
            route(weights={"v1": 1}, mirrors=mirrors),
        )
        file = sidecar_file(tmp_path, what, control="127.0.0.1:1", subscribe="fraud")
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            await one.until_ready()
            for _ in range(3):
                await call.unary(OURS, b"u", [TRACEPARENT])
            async with asyncio.timeout(60):
                while (await call.unary(UNKNOWN)).values("x-understudy-fallback") != ["v3"]:
                    pass
                text = ""
                while "understudy_mirror_total{" not in text:
                    _, text = await one.get("status", "/metrics")
            openmetrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
            _, open_text = await one.get("admin", "/metrics", headers=openmetrics)

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    for name, labels in SERIES.items():
        found = [sample for sample in samples if sample.name == name]
        assert found, name
        assert {frozenset(sample.labels) for sample in found} == {frozenset({"service", *labels})}, name
        assert {sample.labels["service"] for sample in found} == {"fraud"}
    values = {(one.name, *sorted(one.labels.values())): one.value for one in samples}
    assert values["understudy_requests_total", OURS, "OK", "fraud", "v1"] == 3
    assert values["understudy_control_connected", "fraud"] == 0
    assert 'trace_id="0af7651916cd43dd8448eb211c80319c"' in open_text
    assert open_text.endswith("# EOF\n")


@pytest.mark.parametrize("how", ["SIGTERM", "SIGTERM twice", "drain"])
async def test_calls_in_flight_end_before_it_does(tmp_path: pathlib.Path, how: str) -> None:
    released = asyncio.Event()
    async with model(waits_for(released)) as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}))
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            await one.until_ready()
            async with asyncio.TaskGroup() as tasks:
                calls = [tasks.create_task(call.unary(method)) for method in [OURS, UNKNOWN] * 20]
                await eventually(lambda: len(server.calls) == 40)
                if how == "drain":
                    drain = tasks.create_task(understudy("drain", "--admin", one.listening["admin"]))
                else:
                    one.terminate()
                await _until(one, "draining")
                if how == "SIGTERM twice":
                    one.terminate()
                assert one.process.returncode is None
                released.set()
            assert await one.ended() == 0
            assert one.logged("drained")

    assert all(task.result().ok for task in calls), [task.result() for task in calls]
    if how == "drain":
        assert (drain.result().code, drain.result().out) == (0, "drained\n")


async def test_a_drain_of_nobody_is_a_line(tmp_path: pathlib.Path) -> None:
    del tmp_path
    ended = await understudy("drain", "--admin", "127.0.0.1:1")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "understudy: no sidecar answers on 127.0.0.1:1 (--admin): Connection refused\n"


@pytest.mark.parametrize("field", ["listen", "admin", "status"])
async def test_a_taken_port_is_a_line(tmp_path: pathlib.Path, field: str) -> None:
    async with model() as server:
        taken = {**LOOPBACK, field: server.address}
        file = sidecar_file(tmp_path, service({"v1": server.address}), **taken)
        ended = await understudy("proxy", "--config", str(file))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert ended.err.startswith(f"understudy: {field}: {server.address} cannot be had")


async def test_a_state_directory_that_cannot_be_written_is_a_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "state"
    file = sidecar_file(tmp_path, state_dir=str(directory), control="127.0.0.1:1", subscribe="fraud")
    ended = await understudy("proxy", "--config", str(file))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"understudy: state_dir: {directory} cannot be written: Not a directory\n"


async def test_an_unknown_exporter_is_a_line(tmp_path: pathlib.Path) -> None:
    file = sidecar_file(tmp_path, service({"v1": "127.0.0.1:1"}))
    ended = await understudy("proxy", "--config", str(file), env={"OTEL_TRACES_EXPORTER": "zipkin"})

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "understudy: OTEL_TRACES_EXPORTER: must be otlp or none, got 'zipkin'\n"


async def test_has_nothing_of_the_control_service_in_memory(tmp_path: pathlib.Path) -> None:
    """The interpreter itself tells what was imported from start to exit, comparing predictions included."""
    async with model() as server, model() as shadow:
        what = service(
            {"v1": server.address, "v2": shadow.address},
            route(weights={"v1": 1}, mirrors=[{"variant": "v2", "percent": 100}]),
        )
        file = sidecar_file(tmp_path, what, control="127.0.0.1:1", subscribe="fraud")
        async with proxy(file, env={"PYTHONPROFILEIMPORTTIME": "1"}) as one:
            async with caller(one.listening["data"]) as call:
                assert (await call.unary(OURS)).ok
            one.terminate()
            assert await one.ended() == 0

    lines = one.errors.read_text().splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    tops = {name.partition(".")[0] for name in imported}
    assert {"proxy", "understudy", "grpc", "uvloop"} <= tops
    assert not tops & {"control", "sqlalchemy", "alembic", "aiosqlite", "starlette", "sklearn", "examples"}


async def test_without_a_configuration_it_lives_and_says_so(tmp_path: pathlib.Path) -> None:
    file = sidecar_file(tmp_path, control="127.0.0.1:1", subscribe="fraud")
    async with proxy(file) as one, caller(one.listening["data"]) as call:
        assert await one.get("status", "/healthz") == (200, "ok\n")
        assert await one.get("status", "/readyz") == (503, "no configuration yet\n")
        assert (await call.unary(OURS)).error == "no_configuration"
        one.terminate()
        assert await one.ended() == 0


@pytest.mark.parametrize(
    ("fields", "loads"), [({}, False), ({"control": "127.0.0.1:1", "subscribe": "fraud"}, True)]
)
async def test_the_relay_alone_does_without_grpcs_library(
    tmp_path: pathlib.Path, fields: dict[str, str], *, loads: bool
) -> None:
    """It is a fifth of what such a sidecar would take; the control service is reached by it."""
    async with model() as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), engine="relay", **fields)
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            assert (await call.unary(OURS, b"x")).message == b"x"
            maps = pathlib.Path(f"/proc/{one.process.pid}/maps")
            mapped = await asyncio.to_thread(maps.read_text)
            assert ("cygrpc" in mapped) is loads
