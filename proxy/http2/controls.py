"""A connection's beginning and end, and its control frames: answered here, never passed on."""

from typing import Any, Protocol

from proxy.http2 import budget, frames
from proxy.http2.budget import Budget
from proxy.http2.errors import (
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    ConnectionFault,
    StreamFault,
)
from proxy.http2.fields import Block
from proxy.http2.frames import ACK
from proxy.http2.sending import ALL_STREAMS, Sending
from proxy.http2.settings import LARGEST_WINDOW, STREAM_WINDOW
from proxy.http2.stream import Stream

LOST = -1
"""In place of an error code: the connection ended without one."""

_OUR_PING = b"ustudy\0\1"


class Events(Protocol):
    """What becomes of what a peer sends."""

    def headers_came(self, stream: Stream, block: Block, *, ended: bool) -> None:
        """A header block: the first of a stream of the peer's (its `owner` is None), or another."""

    def data_came(self, stream: Stream, payload: bytes, *, ended: bool) -> None:
        """Bytes of a message, to be passed on; `passed_on` is to be told of those that are not."""

    def reset_came(self, stream: Stream, code: int) -> None:
        """The peer ended a stream, broke its rules, or went away without it; it is gone."""

    def settings_came(self) -> None:
        """The peer said what it takes."""

    def went_away(self, code: int) -> None:
        """The peer takes no new streams; those it did not take up have been reset as refused."""

    def ping_answered(self) -> None:
        """The peer is alive."""


class Controls(Sending):
    """What a connection knows of its peer beside the streams."""

    def __init__(self, events: Events, dirty: list[Any], now: float, *, is_server: bool) -> None:
        super().__init__(dirty, is_server=is_server)
        self.budget = Budget(now)
        self.is_settled = False  # the peer's SETTINGS came
        self.failure = ""  # why it is over
        self.last_id = 0  # of the streams that the peer opened
        self._events = events
        self._now = now
        self._last_taken = ALL_STREAMS  # by our GOAWAY

    def fail(self, code: int, reason: str) -> None:
        """End the connection: GOAWAY, and every stream is gone."""
        if not self.failure:
            self.send_away(self.last_id, code, reason)
            self.lose(reason, code if self.is_server else LOST)  # the streams of a failed server just end

    def lose(self, reason: str, code: int = LOST) -> None:
        """The connection is over; nothing more is taken from it."""
        self.failure = self.failure or reason
        self.is_leaving = True
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            self.forget(stream)
            self._events.reset_came(stream, code)

    def leave(self, *, last: bool) -> None:
        """Tell the peer to open no more streams; with `last`, those that it opens from now on are ignored."""
        self.is_leaving = True
        if last:
            self._last_taken = min(self._last_taken, self.last_id)  # what was ignored stays so
        self.send_away(self._last_taken, NO_ERROR)

    def ping(self) -> None:
        """Ask whether the peer is alive."""
        self._write(frames.frame(frames.PING, 0, 0, _OUR_PING))

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        match kind:
            case frames.PING:
                self._pinged(flags, number, payload)
            case frames.SETTINGS:
                self._settings(flags, number, payload)
            case frames.RST_STREAM:
                self._was_reset(number, payload)
            case frames.GOAWAY:
                self._gone_away(number, payload)
            case frames.PRIORITY:
                self.budget.spend(budget.PRIORITY, self._now)
                if number == 0:
                    raise ConnectionFault(PROTOCOL_ERROR, "PRIORITY of no stream")
                if len(payload) != 5:
                    raise StreamFault(number, FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")
            case frames.CONTINUATION | frames.PUSH_PROMISE:
                raise ConnectionFault(PROTOCOL_ERROR, f"a frame of type {kind} that nothing asked for")
            case _:
                self.budget.spend(budget.UNKNOWN, self._now)

    def _window_update(self, number: int, payload: bytes) -> None:
        self.budget.useful += self.sent  # a peer that reads much has much to say of it
        self.sent = 0
        self.budget.spend(budget.WINDOW_UPDATE, self._now)
        increment = frames.number_in(payload, "WINDOW_UPDATE") & LARGEST_WINDOW
        if number == 0:
            self.credit += increment
            if not increment or self.credit > LARGEST_WINDOW:
                code = FLOW_CONTROL_ERROR if increment else PROTOCOL_ERROR
                raise ConnectionFault(code, f"a window opened by {increment}")
            if self._blocked and not self.is_paused:
                self.resume()
            return
        stream = self.streams.get(number)
        if stream is None:
            self._must_not_be_idle(number, "WINDOW_UPDATE")
            return
        stream.credit += increment
        if not increment or stream.credit > LARGEST_WINDOW:
            code = FLOW_CONTROL_ERROR if increment else PROTOCOL_ERROR
            raise StreamFault(number, code, f"a window opened by {increment}")
        if stream.held is not None:
            self.pump(stream)

    def _pinged(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        self.budget.spend(budget.PING, self._now)
        if flags & ACK:
            self._events.ping_answered()
            return
        self._write(frames.frame(frames.PING, ACK, 0, payload))

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(PROTOCOL_ERROR, "SETTINGS of a stream")
        self.budget.spend(budget.SETTINGS, self._now)
        if flags & ACK:
            if payload:
                raise ConnectionFault(FRAME_SIZE_ERROR, "an acknowledgement that says something")
            return
        before = self.peer.initial_window_size
        self.peer.update(payload)
        self.is_settled = True
        self.encoder.resize(self.peer.header_table_size)
        grown = self.peer.initial_window_size - before
        self._write(frames.frame(frames.SETTINGS, ACK, 0))
        if grown:
            for stream in tuple(self.streams.values()):
                stream.credit += grown
                if stream.credit > LARGEST_WINDOW:
                    raise ConnectionFault(FLOW_CONTROL_ERROR, "a stream's window beyond its end")
                if stream.held is not None:
                    self.pump(stream)
        self._events.settings_came()

    def _was_reset(self, number: int, payload: bytes) -> None:
        code = frames.number_in(payload, "RST_STREAM")
        self._must_not_be_idle(number, "RST_STREAM")
        stream = self.streams.pop(number, None)
        if stream is None:
            self.budget.spend(budget.STRAY, self._now)
            return
        if self.is_server:
            is_premature = stream.opened == self._now
            self.budget.spend(budget.PREMATURE if is_premature else budget.RESET, self._now)
        self.forget(stream)
        self._events.reset_came(stream, code)

    def _gone_away(self, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise ConnectionFault(FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
        self.budget.spend(budget.SETTINGS, self._now)
        last = int.from_bytes(payload[:4], "big") & LARGEST_WINDOW
        code = int.from_bytes(payload[4:8], "big")
        if not self.is_server:
            self.is_leaving = True
            for stream in [one for one in self.streams.values() if one.id > last]:
                del self.streams[stream.id]
                self.forget(stream)
                self._events.reset_came(stream, REFUSED_STREAM)
        self._events.went_away(code)

    def _reset(self, fault: StreamFault) -> None:
        """Answer a broken rule of one stream; what we have to reset nobody can have wanted."""
        self.budget.spend(budget.PREMATURE, self._now)
        self._write(frames.reset(fault.stream, fault.code))
        stream = self.streams.pop(fault.stream, None)
        if stream is None:
            self.owed += STREAM_WINDOW
        else:
            if not stream.peer_ended:
                self.owed += stream.window
            self.forget(stream)
            self._events.reset_came(stream, fault.code)

    def end_stream(self, stream: Stream, code: int) -> None:
        """End a stream of the peer's that it does nothing for."""
        self.send_reset(stream, code)
        self._events.reset_came(stream, code)

    def _must_not_be_idle(self, number: int, name: str) -> None:
        is_ours = (number & 1 == 1) != self.is_server
        if number == 0 or number >= (self.next_id if is_ours else self.last_id + 1):
            raise ConnectionFault(PROTOCOL_ERROR, f"{name} of stream {number}, which is idle")
