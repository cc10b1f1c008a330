"""Server-sent events: the whole state at once, then again after every change.

A stream ends with the views' updates, that is with the process, or with its reader. Figures are of the last
minute and fade without any change, so the state is also sent anew every few seconds.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from control.views import Views
from control.web.state import State

REFRESH = 5.0
"""Seconds after which the state is sent without a change; the page takes a longer silence for a break."""

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


@dataclass(slots=True)
class _News:
    """What the writer waits for."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    def end(self) -> None:
        self.is_over = True
        self.arrived.set()


class EventStream(Response):
    """One reader's stream."""

    media_type = "text/event-stream"

    def __init__(self, views: Views, state: State, refresh: float = REFRESH) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._views = views
        self._state = state
        self._refresh = refresh

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the updates or the reader end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        news = _News()
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._listen(news), name="page updates"),
                tasks.create_task(_reader_leaves(receive, news), name="page reader"),
            ]
            if scope["method"] != "HEAD":
                await self._write(send, news)
            for helper in helpers:
                helper.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send, news: _News) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._refresh):
                    await news.arrived.wait()
            if news.is_over:
                return
            news.arrived.clear()
            body = f"data: {await self._state.text()}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _listen(self, news: _News) -> None:
        async for _ in self._views.updates():
            news.arrived.set()
        news.end()


async def _reader_leaves(receive: Receive, news: _News) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    news.end()
