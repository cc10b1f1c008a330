"""A connection, as either side: bytes in, events and bytes out. No socket, no clock.

Flow control of what is received: a stream's window opens as its bytes are passed on; the connection's at
once, so that one stalled stream stops no other, as long as less than a connection's window lies here.

Nothing raises out of `receive`: a broken rule ends its stream or, by GOAWAY, the connection.
"""

from typing import Any

from proxy.http2 import budget, frames
from proxy.http2.controls import LOST, Controls, Events
from proxy.http2.decoder import Decoder
from proxy.http2.errors import (
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
    ConnectionFault,
    StreamFault,
)
from proxy.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEAD_SIZE,
    HEADERS,
    LARGEST,
    PADDED,
    PREFACE,
    WINDOW_UPDATE,
    read_head,
)
from proxy.http2.sending import HALF_CONNECTION
from proxy.http2.settings import STREAM_WINDOW, STREAMS
from proxy.http2.stream import Stream

__all__ = ["LOST", "Connection", "Events"]

ALL = 1 << 30
"""Frames: more than any read has."""


class Connection(Controls):
    """One connection and its streams."""

    def __init__(self, events: Events, dirty: list[Any], now: float, *, is_server: bool) -> None:
        super().__init__(events, dirty, now, is_server=is_server)
        self.decoder = Decoder()
        self._rest = b""  # of what was read, from `_at` on
        self._at = 0
        self._is_greeted = not is_server  # the peer's preface came
        self._block: tuple[int, int, list[bytes]] | None = None  # one that CONTINUATION frames go on with

    def __repr__(self) -> str:
        role = "server" if self.is_server else "client"
        return f"<Connection as {role}, {len(self.streams)} streams, {self.failure or 'open'}>"

    @property
    def last_read(self) -> float:
        """When something of the peer's came last."""
        return self._now

    @property
    def unfinished(self) -> object | None:
        """What the peer has begun and owes the rest of: its greeting, a header block, or its end."""
        if self.failure:
            return self.failure
        if self._block is not None:
            return self._block
        return None if self.is_settled else self.peer

    def receive(self, data: bytes, now: float, most: int = ALL) -> bool:  # noqa: C901, PLR0912  # one loop: a call per frame costs
        """What one read gave, up to so many frames of it; whether it is to be called again for the rest.

        A frame that is not DATA counts once more for every 512 bytes: header blocks cost by their size.
        """
        if self.failure:
            return False
        self._now = now
        position = 0
        if data:
            data = self._rest[self._at :] + data
        else:
            data, position = self._rest, self._at
        self._rest, self._at = b"", 0
        try:
            if not self._is_greeted:
                data = self._greet(data)
                if not self._is_greeted:
                    self._rest = data
                    return False
            size = len(data)
            while position + HEAD_SIZE <= size:
                if most <= 0:
                    self._rest, self._at = data, position
                    return True
                first, flags, number = read_head(data, position)
                start = position + HEAD_SIZE
                end = start + (first >> 8)
                if end - start > LARGEST:
                    self.fail(FRAME_SIZE_ERROR, f"a frame of {end - start} bytes")
                    return False
                if end > size:
                    break
                kind, number, payload, position = first & 0xFF, number & 0x7FFFFFFF, data[start:end], end
                most -= 1 if kind == DATA else 1 + (end - start >> 9)
                try:
                    if self._block is not None:
                        self._continue(self._block, kind, flags, number, payload)
                    elif kind == DATA:
                        self._data(flags, number, payload)
                    elif kind == HEADERS:
                        self._headers(flags, number, payload)
                    elif kind == WINDOW_UPDATE:
                        self._window_update(number, payload)
                    else:
                        self._control(kind, flags, number, payload)
                except StreamFault as fault:
                    self._reset(fault)
                if self.failure:
                    return False
            self._rest = data[position:]
        except ConnectionFault as fault:
            self.fail(fault.code, fault.reason)
        return False

    def _greet(self, data: bytes) -> bytes:
        if not data.startswith(PREFACE):
            if PREFACE.startswith(data):
                return data
            raise ConnectionFault(PROTOCOL_ERROR, "not HTTP/2")
        self._is_greeted = True
        return data[len(PREFACE) :]

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._window -= size
        if self._window < 0:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "more DATA than the connection's window")
        self._unreported += size
        if self._unreported >= HALF_CONNECTION:
            self._open_window()
        stream = self.streams.get(number)
        if stream is None or stream.peer_ended:
            self._stray(number, stream, size)
            return
        stream.window -= size
        if stream.window < 0:
            if self.is_server:  # it would go on: RST_STREAM stops nobody who counts no windows
                raise ConnectionFault(FLOW_CONTROL_ERROR, "more DATA than a stream's window")
            raise StreamFault(number, FLOW_CONTROL_ERROR, "more DATA than the stream's window")
        if flags & PADDED:
            payload = frames.unpadded(payload, flags)
            self.passed_on(stream, size - len(payload))
        ended = flags & END_STREAM != 0
        if payload or ended:
            self.budget.useful += 1
            if ended:
                self._peer_ended(stream)
            self._events.data_came(stream, payload, ended=ended)
        else:
            self.budget.spend(budget.EMPTY_DATA, self._now)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        block = frames.block_of(payload, flags, number) if flags & (PADDED | HAS_PRIORITY) else payload
        if flags & END_HEADERS:
            self._block_came(flags, number, block)
        else:
            self._block = flags, number, [block]

    def _continue(
        self, begun: tuple[int, int, list[bytes]], kind: int, flags: int, number: int, payload: bytes
    ) -> None:
        first_flags, first_number, parts = begun
        if kind != CONTINUATION or number != first_number:
            raise ConnectionFault(PROTOCOL_ERROR, "a header block that is broken off")
        parts.append(payload)
        if len(parts) > budget.CONTINUATIONS + 1 or sum(map(len, parts)) > budget.BLOCK_SIZE:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "a header block without an end")
        if flags & END_HEADERS:
            self._block = None
            self._block_came(first_flags, number, b"".join(parts))

    def _block_came(self, flags: int, number: int, encoded: bytes) -> None:
        block = self.decoder.decode(encoded)
        ended = flags & END_STREAM != 0
        stream = self.streams.get(number)
        if stream is None:
            if not self.is_server or number <= self.last_id or not number & 1:
                self._stray(number, None)
                return
            stream = self._opened(number)
            if stream is None:
                return
        elif stream.peer_ended:
            self._stray(number, stream)
        elif not ended:
            self._interim(stream)
        self.budget.useful += 1
        if ended:
            self._peer_ended(stream)
        self._events.headers_came(stream, block, ended=ended)

    def _opened(self, number: int) -> Stream | None:
        """A new stream of the peer's; None where it comes after our last GOAWAY."""
        self.last_id = number
        if number > self._last_taken:
            self.owed += STREAM_WINDOW
            return None
        if len(self.streams) >= STREAMS:
            raise StreamFault(number, REFUSED_STREAM, "too many streams at once")
        stream = Stream(self, number, self.peer.initial_window_size)
        stream.opened = self._now
        self.streams[number] = stream
        return stream

    def _interim(self, stream: Stream) -> None:
        """A header block that neither begins nor ends a stream: one is as it should be, of an answer."""
        if self.is_server:
            raise StreamFault(stream.id, PROTOCOL_ERROR, "a second header block that ends nothing")
        if stream.is_answered:
            self.budget.spend(budget.INTERIM, self._now)
        stream.is_answered = True

    def _peer_ended(self, stream: Stream) -> None:
        stream.peer_ended = True
        if stream.we_ended:
            self.streams.pop(stream.id, None)

    def _stray(self, number: int, stream: Stream | None, size: int = 0) -> None:
        """HEADERS or DATA of a stream that is over: ignored where it was under way, else a fault."""
        self._must_not_be_idle(number, "a frame")
        if stream is not None:
            raise StreamFault(number, STREAM_CLOSED, "more after the end")
        self.budget.spend(budget.STRAY, self._now)
        self.owed -= size
        if self.is_server and self.owed < 0:
            raise ConnectionFault(FLOW_CONTROL_ERROR, "more DATA than the windows of streams that are over")
