"""The dashboard as an ASGI app."""

import pathlib
import time
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control.views import Views
from control.web.events import REFRESH, EventStream
from control.web.state import State

STATIC = pathlib.Path(__file__).parent / "static"
MAX_STREAMS = 64
"""Pages open at once; one more is told to come back later, so that `/healthz` always has room."""

SECURITY = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def build_app(views: Views, clock: Callable[[], float] = time.time, refresh: float = REFRESH) -> Starlette:
    """The page over these views; its streams end when `views.updates()` does."""
    page = _Page(views, clock, refresh)
    routes = [
        Route("/", page.index),
        Route("/api/state", page.state),
        Route("/api/events", page.events),
        Route("/healthz", page.healthz),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Secured)])


class _Page:
    """The endpoints, and how many streams are open."""

    def __init__(self, views: Views, clock: Callable[[], float], refresh: float) -> None:
        self._views = views
        self._state = State(views, clock)
        self._refresh = refresh
        self._streams = 0

    def __repr__(self) -> str:
        return f"_Page({self._streams} streams)"

    async def index(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def state(self, _request: Request) -> Response:
        text = await self._state.text()
        return Response(text, media_type="application/json", headers={"cache-control": "no-store"})

    async def events(self, _request: Request) -> Response:
        if self._streams >= MAX_STREAMS:
            return PlainTextResponse("too many pages are open\n", 503, headers={"retry-after": "10"})
        return _Counted(self, EventStream(self._views, self._state, self._refresh))

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers={"cache-control": "no-store"})

    def opened(self, change: int) -> None:
        self._streams += change


class _Counted(Response):
    """A stream that counts while it is open."""

    def __init__(self, page: _Page, stream: EventStream) -> None:
        super().__init__()
        self._page = page
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._page.opened(1)
        try:
            await self._stream(scope, receive, send)
        finally:
            self._page.opened(-1)


class _Secured:
    """Adds the security headers to every answer; files are asked for anew each time, by their tag."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.update(SECURITY)
                headers.setdefault("cache-control", "no-cache")
                message["headers"] = headers.raw
            await send(message)

        await self._app(scope, receive, secured)
