"""The doors over real HTTP, before an engine that stands still."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
from understudy.serving.addresses import parse_address
from understudy.serving.http import HttpServer
from understudy.v1.discovery_pb2 import Snapshot
from understudy.v1.service_pb2 import Service

from proxy.admin import Doors, admin_app, status_app
from proxy.engines.engine import Liveness
from proxy.policy.table import Table, compile_snapshot
from proxy.stats.ledger import Ledger
from proxy.telemetry.metrics import Seen, registry

TABLE = compile_snapshot(
    Snapshot(
        epoch=3,
        version=17,
        service=Service(
            name="fraud",
            fallback="v2",
            variants=[{"name": "v1", "target": "a:1"}, {"name": "v2", "target": "a:2"}],
            routes=[{"name": "r", "split": {"weights": {"v1": 90.0, "v2": 10.0}}}],
        ),
    )
)


@dataclass
class StillEngine:
    """An engine that carries nothing."""

    now: Table | None = TABLE
    live: dict[str, Liveness] = field(
        default_factory=lambda: {"v1": Liveness(False, "connection refused"), "v2": Liveness(True)}
    )

    async def start(self, address: str) -> str:
        return address

    def apply(self, table: Table) -> None:
        self.now = table

    def table(self) -> Table | None:
        return self.now

    def liveness(self) -> Mapping[str, Liveness]:
        return self.live

    def in_flight(self) -> Mapping[str, int]:
        return {"v1": 2}

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109  # as the protocol has it
        del timeout
        self.now = None


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Door:
    """One open door, and what stands behind it."""

    address: str
    engine: StillEngine
    drained: list[bool]
    ledger: Ledger

    async def fetch(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return await asyncio.to_thread(self._fetch, path, method, headers)

    def _fetch(self, path: str, method: str, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(*parse_address(self.address), timeout=10)
        try:
            connection.request(method, path, headers=dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@asynccontextmanager
async def open_door(app: Any = admin_app) -> AsyncIterator[Door]:
    engine, drained, ledger = StillEngine(), list[bool](), Ledger()
    seen = Seen(TABLE, {"v1": 2}, config_age=1.5, config_rejected=0, control_connected=None)
    doors = Doors(engine, registry(ledger, lambda: seen), lambda: bool(drained), lambda: drained.append(True))
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        server = HttpServer(app(doors), "127.0.0.1:0")
        yield Door(await server.start(tasks), engine, drained, ledger)
        await server.stop()


APPS = pytest.mark.parametrize("app", [admin_app, status_app])


@APPS
async def test_it_is_alive_and_ready_and_nobody_keeps_the_answer(app):
    async with open_door(app) as door:
        for path, body in (("/healthz", b"ok\n"), ("/readyz", b"ready\n")):
            answer = await door.fetch(path)
            assert (answer.status, answer.body) == (200, body)
            assert answer.headers["cache-control"] == "no-store"


@APPS
async def test_not_ready_says_why_while_it_stays_alive(app):
    async with open_door(app) as door:
        door.engine.live["v2"] = Liveness(False, "connection refused")
        answer = await door.fetch("/readyz")
        assert (answer.status, answer.body) == (503, b"fallback variant v2: connection refused\n")
        door.engine.live["v2"] = Liveness(None, "not known yet")
        assert (await door.fetch("/readyz")).status == 503
        door.engine.now = None
        answer = await door.fetch("/readyz")
        assert (answer.status, answer.body) == (503, b"no configuration yet\n")
        assert (await door.fetch("/healthz")).status == 200


async def test_draining_is_begun_by_a_post_and_makes_it_unready():
    async with open_door() as door:
        assert (await door.fetch("/drain")).status == 405
        assert door.drained == []
        answer = await door.fetch("/drain", "POST")
        assert (answer.status, answer.body) == (202, b"draining\n")
        answer = await door.fetch("/readyz")
        assert (answer.status, answer.body) == (503, b"draining\n")


@pytest.mark.parametrize("path", ["/drain", "/snapshot"])
async def test_the_read_only_door_has_no_commands_and_shows_no_snapshot(path):
    async with open_door(status_app) as door:
        assert (await door.fetch(path)).status == 404
        assert (await door.fetch(path, "POST")).status in (404, 405)
        assert door.drained == []


@pytest.mark.parametrize("path", ["/", "/nope", "/healthz/", "/metrics/x", "/../etc/passwd"])
async def test_other_pages_are_not_there(path):
    async with open_door() as door:
        assert (await door.fetch(path)).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_pages_are_only_read(method):
    async with open_door() as door:
        answer = await door.fetch("/metrics", method)
        assert (answer.status, answer.body) == (405, b"only GET\n")


async def test_head_tells_the_length_without_the_body():
    async with open_door() as door:
        answer = await door.fetch("/healthz", "HEAD")
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, "3", b"")


async def test_a_query_does_not_hide_a_page():
    async with open_door() as door:
        assert (await door.fetch("/healthz?x=1")).status == 200


async def test_metrics_as_prometheus_text_and_as_openmetrics_with_exemplars():
    async with open_door() as door:
        door.ledger.call(TABLE, "r", "v1", "/a.B/C", "OK", 0.1, trace_id="ab" * 16)
        plain = await door.fetch("/metrics")
        assert plain.headers["content-type"].startswith("text/plain; version=")
        assert "understudy_requests" in {
            one.name for one in parser.text_string_to_metric_families(plain.body.decode())
        }
        rich = await door.fetch("/metrics", accept="application/openmetrics-text; version=1.0.0")
        assert rich.headers["content-type"].startswith("application/openmetrics-text")
        families = openmetrics.text_string_to_metric_families(rich.body.decode())
        exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
        assert [one.labels for one in exemplars] == [{"trace_id": "ab" * 16}]


async def test_the_snapshot_in_force_as_json():
    async with open_door() as door:
        answer = await door.fetch("/snapshot")
        assert answer.headers["content-type"] == "application/json"
        shown = json.loads(answer.body)
        assert (shown["epoch"], shown["version"]) == (3, 17)
        assert shown["snapshot"]["service"]["routes"][0]["split"]["weights"] == {"v1": 90.0, "v2": 10.0}
        assert shown["variants"] == {
            "v1": {"live": False, "reason": "connection refused"},
            "v2": {"live": True, "reason": ""},
        }
        door.engine.now = None
        assert (await door.fetch("/snapshot")).status == 503
