"""An HTTP door inside a process that owns its loop and its signals: uvicorn, embedded."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from understudy.serving.addresses import join_address, parse_address


class _QuietServer(uvicorn.Server):
    """uvicorn without its own signal handlers: the process decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one ASGI app on one address between `start` and `stop`."""

    def __init__(self, app: Any, address: str) -> None:
        self._address = address
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=1,
                timeout_keep_alive=5,
                limit_concurrency=256,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self, tasks: asyncio.TaskGroup) -> str:
        """Listen, and serve in a task of the caller's group; the address that was really bound.

        Raises OSError where the address cannot be had.
        """
        listener = bind(self._address)
        bound = listener.getsockname()
        self._task = tasks.create_task(self._server.serve([listener]), name="http")
        return f"unix:{bound}" if isinstance(bound, str) else join_address(bound[0], bound[1])

    async def stop(self) -> None:
        """Finish what is being answered, for a second at most, and close."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task])


def bind(address: str) -> socket.socket:
    """A listening socket on `host:port` or `unix:/path`; raises OSError where it cannot be had."""
    if address.startswith("unix:"):
        return _bind_unix(address.removeprefix("unix:"))
    host, port = parse_address(address)
    family, kind, protocol, _, where = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
        listener.setblocking(False)  # noqa: FBT003
    except OSError:
        listener.close()
        raise
    return listener


def _bind_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        listener.listen(128)
        listener.setblocking(False)  # noqa: FBT003
    except OSError:
        listener.close()
        raise
    return listener
