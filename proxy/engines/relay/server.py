"""A connection to a model server: the answers of its streams go to whoever opened them."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Protocol

from proxy.engines.relay.socket import Socket
from proxy.http2.connection import Connection
from proxy.http2.fields import Block
from proxy.http2.stream import Stream
from proxy.tls.keyring import Security
from proxy.tls.secured import Failed, Secured

CONNECT = 1.0
"""Seconds for a connection to be there, the server's SETTINGS included."""

_KEEPALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000))
"""The kernel finds out about a host that is gone. HTTP/2's PING is not used for it: gRPC's servers count
those, and send away who sends more than one in five minutes."""


class Owner(Protocol):
    """Whose stream it is: a call, or a copy."""

    def headers_came(self, block: Block, *, ended: bool) -> None:
        """A header block of the answer."""

    def data_came(self, payload: bytes, *, ended: bool) -> None:
        """Bytes of the answer."""

    def reset_came(self, code: int) -> None:
        """There will be no more of it."""


class ServerConnection(Socket):
    """One; `changed` is told whenever it takes more or fewer streams than before."""

    def __init__(self, dirty: list[Connection], changed: Callable[[], None]) -> None:
        super().__init__(dirty, is_server=False)
        self._changed = changed
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def headers_came(self, stream: Stream, block: Block, *, ended: bool) -> None:
        """See Events."""
        stream.owner.headers_came(block, ended=ended)

    def data_came(self, stream: Stream, payload: bytes, *, ended: bool) -> None:
        """See Events."""
        stream.owner.data_came(payload, ended=ended)

    def reset_came(self, stream: Stream, code: int) -> None:
        """See Events."""
        stream.owner.reset_came(code)

    def settings_came(self) -> None:
        """See Events."""
        if not self.settled.done():
            self.settled.set_result(None)
        self._changed()

    def went_away(self, code: int) -> None:
        """See Events: the streams that it took up end here, new ones elsewhere."""
        del code
        self._changed()
        if not self.http2.streams:
            self.close()

    def ping_answered(self) -> None:
        """See Events."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        if not self.settled.done():
            closed = ConnectionError("closed before it began")
            self.settled.set_exception(exc if isinstance(exc, Failed) else closed)
        self._changed()


async def connect(
    name: str, dirty: list[Connection], changed: Callable[[], None], security: Security | None = None
) -> ServerConnection:
    """A connection to an address in gRPC name syntax, ready for streams; raises OSError."""
    loop = asyncio.get_running_loop()
    made = ServerConnection(dirty, changed)
    outer: asyncio.Protocol = made
    if security is not None:
        outer = Secured(security.credential.identity.context, made, security.server_name)
    scheme, _, place = name.partition(":")
    try:
        async with asyncio.timeout(CONNECT):
            if scheme == "unix":
                path = "\0" + place[1:] if place.startswith("@") else place.removeprefix("//")
                await loop.create_unix_connection(lambda: outer, path)
            else:
                host, _, port = place.rpartition(":")
                await loop.create_connection(lambda: outer, host.strip("[]"), int(port))
                _keep_alive(made)
            await made.settled
    except BaseException as error:
        is_there = made.transport is not None
        made.settled.cancel()
        made.give_up()
        if security is not None and is_there and isinstance(error, TimeoutError):
            raise Failed(f"it did not get through TLS and its greeting within {CONNECT:g} s") from None
        raise
    return made


def _keep_alive(made: ServerConnection) -> None:
    found = made.transport.get_extra_info("socket") if made.transport else None
    if found is not None:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                if hasattr(socket, option):
                    found.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def now() -> float:
    """The clock that calls are timed by."""
    return time.perf_counter()
