"""A socket of either side: what is read goes into its connection, what gathered there goes out.

The shells of callers and of model servers are built on this. `dirty` is shared by all sockets of an engine:
whichever was read flushes every connection that got something to say by it, each with one write.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, cast

from proxy.engines.relay.once import Once
from proxy.http2.connection import Connection

AT_ONCE = 32
"""Frames of one connection that are looked at before others have their turn: a millisecond or two of work."""

FULL_READ = 128 * 1024
"""Bytes of a read that may have left more. uvloop's loop goes on with that 32 times before others' turn."""

CLOSING = 1.0
"""Seconds in which what was written must have left before a closed socket is cut off."""

PATIENCE = 1024 * 1024
"""Bytes beyond DATA, which waits, that a peer has us say while it reads nothing, before it is cut off."""


class Socket(asyncio.Protocol):
    """The thin end: asyncio's protocol on one side, a connection's events on the other."""

    def __init__(self, dirty: list[Connection], *, is_server: bool) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = Once()
        self._dirty = dirty
        self._unread = 0  # bytes that were written since it stopped reading
        self._read_at = 0.0
        self._is_behind = False  # more was read than has been looked at
        self.http2 = Connection(self, dirty, time.perf_counter(), is_server=is_server)  # type: ignore[arg-type]  # the other half of the events is in the subclasses
        self.http2.socket = self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.http2}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        made = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        if self.http2.failure:  # given up in the meantime
            made.abort()
            return
        self.transport = made
        out, self.http2.out = self.http2.out, []
        self.write(out)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol: one read, however many frames of however many calls."""
        self._read_at = time.perf_counter()
        self._take(data)

    def _take(self, data: bytes) -> None:
        """A turn's worth of it."""
        is_behind = self.http2.receive(data, self._read_at, AT_ONCE)
        if not is_behind:
            self.read_over()
        if is_behind or len(data) >= FULL_READ:
            self._fall_behind()
        flush(self._dirty)

    def read_over(self) -> None:
        """All that was read has been looked at."""

    def _fall_behind(self) -> None:
        """Go on in the loop's next turn; nothing more is read meanwhile."""
        transport = self.transport
        if not self._is_behind and transport is not None and not transport.is_closing():
            self._is_behind = True
            transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        self._is_behind = False
        self._take(b"")
        transport = self.transport
        if not self._is_behind and transport is not None and not transport.is_closing():
            transport.resume_reading()

    def pause_writing(self) -> None:
        """See asyncio.Protocol: the peer reads slower than it is written to."""
        self.http2.is_paused = True

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._unread = 0
        self.http2.resume()
        flush(self._dirty)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self.http2.receive(b"", self._read_at)  # what had to wait
        self.transport = None
        self.http2.lose(str(exc) if exc else "closed by the peer")
        flush(self._dirty)
        self.closed.happen()

    def write(self, out: list[bytes]) -> None:
        """What gathered; then the end, where the connection has failed."""
        transport = self.transport
        if transport is None:
            if not self.http2.failure:
                self.http2.out = out  # it is not there yet
            return
        if transport.is_closing():
            return  # nobody will read it
        data = b"".join(out)
        if self.http2.is_paused:  # before this write: what resumed may say as much as windows allow at once
            self._unread += len(data)
        transport.write(data)
        if self.http2.failure:
            transport.close()
        elif self._unread > PATIENCE:
            transport.abort()  # it has us answer, and reads nothing

    def flush(self) -> None:
        """Write what gathered, outside of any read."""
        flush(self._dirty)

    def close(self) -> None:
        """End it in good order, whatever is under way; what gathered is written first."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            out, self.http2.out = self.http2.out, []
            transport.write(b"".join(out))
            transport.close()

    def abort(self) -> None:
        """End it, with what was written and has not left."""
        if self.transport is not None:
            self.transport.abort()

    def give_up(self) -> None:
        """Before it is in use, and at whatever point of connecting.

        A connect that is cancelled closes its transport without a word: `connection_made` may have come, or
        come yet, and `connection_lost` never does. So the transport is not written to from here on.
        """
        self.http2.lose("given up")
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.abort()


async def close(sockets: Iterable[Socket]) -> None:
    """Close them, by force where they do not within `CLOSING`."""
    closing = [one for one in sockets if one.transport is not None]
    for one in closing:
        one.close()
    try:
        async with asyncio.timeout(CLOSING):
            for one in closing:
                await one.closed.wait()
    except TimeoutError:
        for one in closing:
            if one.transport is not None:
                one.transport.abort()
        for one in closing:
            await one.closed.wait()


def flush(dirty: list[Any]) -> None:
    """Write every connection that has something to say."""
    for connection in dirty:
        out, connection.out = connection.out, []
        connection.socket.write(out)
    dirty.clear()
