"""The parent's doors, over workers that answer by script on real sockets."""

import asyncio
import contextlib
import http.client
import json
import pathlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from understudy.serving.http import HttpServer

from proxy.workers.doors import Doors

TEXT = "text/plain; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass
class Worker:
    """What the doors know of one, and its pages: status and body."""

    number: int
    pid: int | None
    pages: dict[str, tuple[int, str]] = field(default_factory=dict)
    listening: Mapping[str, str] | None = field(default_factory=dict)
    state: str = "listening"
    starts: int = 1

    def app(self) -> Any:
        async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
            del receive
            status, body = self.pages.get(scope["path"], (404, "no such page"))
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})

        return answer


@dataclass
class Door:
    address: str

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
        def request() -> tuple[int, str, str]:
            connection = http.client.HTTPConnection(self.address, timeout=30)
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
            connection.close()
            return answer.status, answer.headers["content-type"], body

        return await asyncio.to_thread(request)


@contextlib.asynccontextmanager
async def admin_over(directory: pathlib.Path, *workers: Worker, **how: Any) -> AsyncIterator[Door]:
    how = {"mismatches": 3, "is_draining": lambda: False, "drain": lambda: None, **how}
    doors = Doors(workers, directory, **how)  # type: ignore[arg-type]  # as much of a Child as is looked at
    async with asyncio.TaskGroup() as tasks:
        servers = [HttpServer(one.app(), f"unix:{directory}/{one.pid}.sock") for one in workers if one.pid]
        servers.append(HttpServer(doors.admin(), "127.0.0.1:0"))
        addresses = [await server.start(tasks) for server in servers]
        try:
            yield Door(addresses[-1])
        finally:
            for server in servers:
                await server.stop()


async def test_a_sidecar_is_ready_when_every_worker_is(tmp_path: pathlib.Path) -> None:
    fine = {"/readyz": (200, "ready\n"), "/healthz": (200, "ok\n")}
    first, second = Worker(0, 10, dict(fine)), Worker(1, 11, dict(fine))
    async with admin_over(tmp_path, first, second) as door:
        assert await door.get("/readyz") == (200, TEXT, "ready\n")
        second.pages["/readyz"] = (503, "no configuration yet\n")
        assert await door.get("/readyz") == (503, TEXT, "worker 1: no configuration yet\n")
        assert await door.get("/healthz") == (200, TEXT, "ok\n")
        first.listening, first.state = None, "restarting"
        expected = "worker 0 is restarting\nworker 1: no configuration yet\n"
        assert await door.get("/readyz") == (503, TEXT, expected)
        assert await door.get("/healthz") == (503, TEXT, "worker 0 is restarting\n")
        first.listening, first.pid = {}, 99
        assert await door.get("/healthz") == (503, TEXT, "worker 0 does not answer\n")
        assert await door.get("/workers/0/readyz") == (503, TEXT, "it is restarting\n")
        assert (await door.get("/workers/1/readyz"))[::2] == (503, "no configuration yet\n")


async def test_a_sidecar_that_drains_says_so_and_nothing_else(tmp_path: pathlib.Path) -> None:
    told: list[str] = []
    async with admin_over(
        tmp_path, Worker(0, 10), is_draining=lambda: bool(told), drain=lambda: told.append("drain")
    ) as door:
        assert (await door.get("/drain"))[0] == 405
        assert await door.get("/drain", "POST") == (202, TEXT, "draining\n")
        assert await door.get("/readyz") == (503, TEXT, "draining\n")
    assert told == ["drain"]


async def test_metrics_are_summed_and_survive_who_counted_them(tmp_path: pathlib.Path) -> None:
    def counted(count: int) -> dict[str, tuple[int, str]]:
        text = f'# HELP a Calls.\n# TYPE a counter\na_total{{b="c"}} {count}\n# EOF\n'
        return {"/metrics": (200, text)}

    first, second = Worker(0, 10, counted(1)), Worker(1, 11, counted(2))
    async with admin_over(tmp_path, first, second) as door:
        status, kind, text = await door.get("/metrics")
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert text == '# HELP a_total Calls.\n# TYPE a_total counter\na_total{b="c"} 3.0\n'
        first.listening = None
        _, kind, text = await door.get("/metrics", Accept=OPEN)
        assert kind == OPEN
        assert text == '# HELP a Calls.\n# TYPE a counter\na_total{b="c"} 3.0\n# EOF\n'


async def test_the_snapshot_shown_is_the_one_that_all_have_at_least(tmp_path: pathlib.Path) -> None:
    def has(version: int) -> dict[str, tuple[int, str]]:
        shown = {"snapshot": {"version": version}, "epoch": 1, "version": version, "variants": {}}
        return {"/snapshot": (200, json.dumps(shown))}

    without = {"/snapshot": (503, "no configuration yet\n")}
    first, second, third = Worker(0, 10, has(7)), Worker(1, 11, has(6)), Worker(2, 12, dict(without))
    async with admin_over(tmp_path, first, second, third) as door:
        shown = json.loads((await door.get("/snapshot"))[2])
        assert (shown["snapshot"], shown["epoch"], shown["version"]) == ({"version": 6}, 1, 6)
        assert [(one["worker"], one["version"]) for one in shown["workers"]] == [(0, 7), (1, 6)]
        first.pages, second.pages = without, without
        assert (await door.get("/snapshot"))[::2] == (503, "no configuration yet\n")


async def test_the_newest_mismatches_of_all_are_shown(tmp_path: pathlib.Path) -> None:
    def met(*times: str) -> dict[str, tuple[int, str]]:
        return {"/mismatches": (200, json.dumps({"mismatches": [{"time": time} for time in times]}))}

    first = Worker(0, 10, met("2026-01-01T00:00:03.500Z", "2026-01-01T00:00:01Z"))
    second = Worker(1, 11, met("2026-01-01T00:00:03Z", "2026-01-01T00:00:02.000000001Z"))
    async with admin_over(tmp_path, first, second) as door:
        shown = json.loads((await door.get("/mismatches"))[2])["mismatches"]
    seconds = [one["time"][17:] for one in shown]
    assert seconds == ["03.500Z", "03Z", "02.000000001Z"]


async def test_pages_that_are_none(tmp_path: pathlib.Path) -> None:
    async with admin_over(tmp_path, Worker(0, 10, {"/metrics": (200, "")})) as door:
        paths = ["/", "/workers/1/metrics", "/workers/0/", "/workers/0/a%0d%0ab", "/workers/0/x/y"]
        assert [(await door.get(path))[0] for path in paths] == [404] * len(paths)
        assert (await door.get("/metrics", "POST"))[0] == 405
        head = await door.get("/workers", "HEAD")
        assert head == (200, "application/json", "")
