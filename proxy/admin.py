"""The HTTP doors: `admin` shows everything and takes commands, `status` is read-only.

| path       | doors         |                                                                    |
|------------|---------------|--------------------------------------------------------------------|
| /healthz   | both          | 200: the process is alive                                          |
| /readyz    | both          | 200: it can serve; 503 with the reason                             |
| /metrics   | both          | Prometheus text, or OpenMetrics (with exemplars) where asked for   |
| /snapshot  | admin         | what is in force, JSON                                             |
| /mismatches | admin        | the last predictions of shadows that were others, newest first, JSON |
| /drain     | admin, POST   | 202: begins to drain; the process exits when it is done            |
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from proxy.engines.engine import Engine
from proxy.stats.records import Record
from proxy.telemetry.report import record_message

Scope = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]
Response = tuple[int, str, bytes]

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Doors:
    """What the doors show and do."""

    engine: Engine
    registry: CollectorRegistry
    is_draining: Callable[[], bool]
    drain: Callable[[], None]
    mismatches: Sequence[Record] | deque[Record] = ()

    def not_ready(self) -> str:
        """Why no call should be sent here; empty where it may."""
        if self.is_draining():
            return "draining"
        table = self.engine.table()
        if table is None:
            return "no configuration yet"
        fallback = self.engine.liveness()[table.fallback.name]
        if fallback.live is not True:
            return f"fallback variant {table.fallback.name}: {fallback.reason}"
        return ""


def status_app(doors: Doors) -> Any:
    """The read-only door, as an ASGI app."""
    return _App(doors, is_admin=False)


def admin_app(doors: Doors) -> Any:
    """The door that shows everything, as an ASGI app."""
    return _App(doors, is_admin=True)


class _App:
    def __init__(self, doors: Doors, *, is_admin: bool) -> None:
        self._doors = doors
        self._is_admin = is_admin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        del receive
        status, content_type, body = self._answer(scope)
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, scope: Scope) -> Response:
        path, method = scope["path"], scope["method"]
        if path == "/drain" and self._is_admin:
            return self._drain(method)
        if method not in ("GET", "HEAD"):
            return 405, _TEXT, b"only GET\n"
        pages: dict[str, Callable[[Scope], Response]] = {
            "/healthz": lambda _: (200, _TEXT, b"ok\n"),
            "/readyz": self._ready,
            "/metrics": self._metrics,
        }
        if self._is_admin:
            pages["/snapshot"] = self._snapshot
            pages["/mismatches"] = self._mismatches
        page = pages.get(path)
        return page(scope) if page else (404, _TEXT, b"there is no such page\n")

    def _ready(self, _: Scope) -> Response:
        reason = self._doors.not_ready()
        return (503, _TEXT, f"{reason}\n".encode()) if reason else (200, _TEXT, b"ready\n")

    def _drain(self, method: str) -> Response:
        if method != "POST":
            return 405, _TEXT, b"only POST\n"
        self._doors.drain()
        return 202, _TEXT, b"draining\n"

    def _metrics(self, scope: Scope) -> Response:
        accept = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"accept"), "")
        encode, content_type = choose_encoder(accept)
        return 200, content_type, encode(self._doors.registry)

    def _mismatches(self, _: Scope) -> Response:
        found = [
            MessageToDict(record_message(one), preserving_proto_field_name=True)
            for one in reversed(self._doors.mismatches)
        ]
        return 200, _JSON, json.dumps({"mismatches": found}, indent=2).encode() + b"\n"

    def _snapshot(self, _: Scope) -> Response:
        table = self._doors.engine.table()
        if table is None:
            return 503, _TEXT, b"no configuration yet\n"
        liveness = self._doors.engine.liveness()
        shown = {
            "snapshot": MessageToDict(table.snapshot, preserving_proto_field_name=True),
            "epoch": table.epoch,
            "version": table.version,
            "variants": {
                name: {"live": one.live, "reason": one.reason} for name, one in sorted(liveness.items())
            },
        }
        return 200, _JSON, json.dumps(shown, indent=2).encode() + b"\n"
