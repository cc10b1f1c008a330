"""A webhook's receiver on a real port."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from understudy.serving.http import HttpServer


@dataclass
class Receiver:
    """Answers with `statuses`, one after the other, then 200; keeps what was posted."""

    statuses: list[int] = field(default_factory=list)
    address: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}/hook"

    async def take(self, request: Request) -> Response:
        self.received.append(json.loads(await request.body()))
        status = self.statuses.pop(0) if self.statuses else 200
        return Response(status_code=status, headers={"location": "/elsewhere"})


@contextlib.asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[Receiver]:
    """A receiver at work."""
    made = Receiver(list(statuses))
    app = Starlette(routes=[Route("/hook", made.take, methods=["POST"])])
    server = HttpServer(app, "127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        made.address = await server.start(tasks)
        try:
            yield made
        finally:
            await server.stop()
