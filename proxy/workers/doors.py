"""The parent's HTTP doors: what the workers show, as if they were one sidecar.

| path         | shows                                                                            |
|--------------|----------------------------------------------------------------------------------|
| /healthz     | 200 where every worker is alive and answers                                      |
| /readyz      | 200 where every worker is ready; else 503 with the reasons                       |
| /metrics     | sums, see `proxy.workers.metrics`                                                |
| /snapshot    | the oldest that is in force in any worker, with each worker's epoch and version  |
| /mismatches  | of all workers, newest first, as many as one sidecar keeps                       |
| /workers     | JSON: number, process id, state and how often each was started                   |
| /workers/N/… | the page of that worker alone                                                    |
| /drain       | POST, 202: begins to drain                                                       |

Those from /snapshot on are the admin door's alone.
"""

import asyncio
import json
import pathlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from proxy.workers.asking import Page, ask
from proxy.workers.child import Child
from proxy.workers.metrics import OPEN_METRICS, PROMETHEUS, Sums, parse, render

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_OF_WORKER = re.compile("/workers/[0-9]+/[a-z]+")


class Doors:
    """What both doors show and do."""

    def __init__(
        self,
        children: Sequence[Child],
        directory: pathlib.Path,
        mismatches: int,
        is_draining: Callable[[], bool],
        drain: Callable[[], None],
    ) -> None:
        self._children = children
        self._directory = directory
        self._mismatches = mismatches
        self._is_draining = is_draining
        self._drain = drain
        self._sums = Sums()

    def status(self) -> Any:
        """The read-only door, as an ASGI app."""
        return _App({"/healthz": self._health, "/readyz": self._ready, "/metrics": self._metrics})

    def admin(self) -> Any:
        """The door that shows everything, as an ASGI app."""
        pages: Pages = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/snapshot": self._snapshot,
            "/mismatches": self._newest_mismatches,
            "/workers": self._workers,
        }
        return _App(pages, self._of_worker, self._drain)

    async def _ask(self, path: str, accept: str = "*/*") -> list[tuple[Child, int | None, Page | None]]:
        """Every worker at once, with the process that was asked; no page where it did not answer."""
        asked = [(child, child.pid) for child in self._children]
        pages = await asyncio.gather(*(self._ask_one(child, path, accept) for child in self._children))
        return [(child, process, page) for (child, process), page in zip(asked, pages, strict=True)]

    async def _ask_one(self, child: Child, path: str, accept: str = "*/*") -> Page | None:
        if child.listening is None:
            return None
        return await ask(self._directory / f"{child.pid}.sock", path, accept)

    async def _health(self, _: str) -> Page:
        return _verdict(await self._ask("/healthz"), b"ok\n")

    async def _ready(self, _: str) -> Page:
        if self._is_draining():
            return Page(503, _TEXT, b"draining\n")
        return _verdict(await self._ask("/readyz"), b"ready\n")

    async def _metrics(self, accept: str) -> Page:
        answers = await self._ask("/metrics", OPEN_METRICS)
        for child, process, page in answers:
            if process is not None and page is not None:
                self._sums.take(child.number, process, parse(page.body.decode()))
        is_open = "application/openmetrics-text" in accept
        merged = self._sums.all([process for _, process, _ in answers if process is not None])
        text = render(merged, is_open=is_open)
        return Page(200, OPEN_METRICS if is_open else PROMETHEUS, text.encode())

    async def _snapshot(self, _: str) -> Page:
        answers = await self._ask("/snapshot")
        shown = [
            (child.number, json.loads(page.body))
            for child, _, page in answers
            if page is not None and page.status == 200
        ]
        if not shown:
            return Page(503, _TEXT, b"no configuration yet\n")
        oldest = min((one for _, one in shown), key=lambda one: (one["epoch"], one["version"]))
        each = [
            {"worker": n, **{key: one[key] for key in ("epoch", "version", "variants")}} for n, one in shown
        ]
        return _json({**oldest, "workers": each})

    async def _newest_mismatches(self, _: str) -> Page:
        found = [
            one
            for _, _, page in await self._ask("/mismatches")
            if page is not None and page.status == 200
            for one in json.loads(page.body)["mismatches"]
        ]
        found.sort(key=lambda one: _moment(one.get("time", "")), reverse=True)
        return _json({"mismatches": found[: self._mismatches]})

    async def _workers(self, _: str) -> Page:
        shown = [
            {"worker": one.number, "pid": one.pid, "state": one.state, "starts": one.starts}
            for one in self._children
        ]
        return _json({"workers": shown})

    async def _of_worker(self, path: str, accept: str) -> Page | None:
        """`/workers/N/PAGE`; None where there is no such worker."""
        _, _, number, page = path.split("/")
        for child in self._children:
            if number == str(child.number):
                answer = await self._ask_one(child, f"/{page}", accept)
                return answer or Page(503, _TEXT, f"it is {child.state}\n".encode())
        return None


Pages = dict[str, Callable[[str], Awaitable[Page]]]


class _App:
    def __init__(
        self,
        pages: Pages,
        of_worker: Callable[[str, str], Awaitable[Page | None]] | None = None,
        drain: Callable[[], None] | None = None,
    ) -> None:
        self._pages = pages
        self._of_worker = of_worker
        self._drain = drain

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        del receive
        page = await self._answer(scope)
        headers = [
            (b"content-type", page.content_type.encode()),
            (b"content-length", str(len(page.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": page.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else page.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any]) -> Page:
        path, method = scope["path"], scope["method"]
        if path == "/drain" and self._drain is not None:
            if method != "POST":
                return Page(405, _TEXT, b"only POST\n")
            self._drain()
            return Page(202, _TEXT, b"draining\n")
        if method not in ("GET", "HEAD"):
            return Page(405, _TEXT, b"only GET\n")
        accept = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"accept"), "*/*")
        page = self._pages.get(path)
        if page is not None:
            return await page(accept)
        found = None
        if self._of_worker is not None and _OF_WORKER.fullmatch(path):
            found = await self._of_worker(path, accept)
        return found or Page(404, _TEXT, b"there is no such page\n")


def _verdict(answers: list[tuple[Child, int | None, Page | None]], fine: bytes) -> Page:
    lines = []
    for child, _, page in answers:
        if page is None:
            reason = "does not answer" if child.listening is not None else f"is {child.state}"
            lines.append(f"worker {child.number} {reason}\n")
        elif page.status != 200:
            lines.append(f"worker {child.number}: {page.body.decode()}")
    return Page(503, _TEXT, "".join(lines).encode()) if lines else Page(200, _TEXT, fine)


def _json(shown: Any) -> Page:
    return Page(200, _JSON, json.dumps(shown, indent=2).encode() + b"\n")


def _moment(time: str) -> tuple[str, str]:
    """For sorting: the fraction of a second may have any number of digits."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return seconds, fraction.ljust(9, "0")
