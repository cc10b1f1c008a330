"""The page over fake views, on a real port."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from understudy.serving.http import HttpServer

from control.web.app import build_app
from tests.support.fake_views import FakeViews
from tests.support.statuses import NOW


@dataclass
class Answer:
    """What an HTTP request brought, its body still to come."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def body(self) -> bytes:
        return await self.reader.readexactly(int(self.headers.get("content-length", 0)))

    async def event(self) -> dict[str, Any]:
        """The next server-sent event of a chunked body."""
        async with asyncio.timeout(60):
            size = int(await self.reader.readline(), 16)
            chunk = await self.reader.readexactly(size + 2)
        data = chunk.removesuffix(b"\r\n")
        assert data.startswith(b"data: ")
        assert data.endswith(b"\n\n")
        return json.loads(data[6:])

    async def end(self) -> None:
        """Wait for the end of a chunked body."""
        async with asyncio.timeout(60):
            assert await self.reader.readline() == b"0\r\n"


@dataclass
class Page:
    """A served page."""

    address: str
    views: FakeViews
    server: HttpServer

    @contextlib.asynccontextmanager
    async def ask(self, path: str, method: str = "GET") -> AsyncIterator[Answer]:
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode())
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines)
            yield Answer(int(status.split()[1]), headers, reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def get(self, path: str) -> bytes:
        async with self.ask(path) as answer:
            assert answer.status == 200, path
            return await answer.body()


@contextlib.asynccontextmanager
async def serving(views: FakeViews, refresh: float = 60.0) -> AsyncIterator[Page]:
    app = build_app(views, clock=lambda: NOW, refresh=refresh)
    server = HttpServer(app, "127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        yield Page(await server.start(tasks), views, server)
        views.end()
        await server.stop()
