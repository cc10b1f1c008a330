"""What a connection sends: frames gathered in `out`, bytes held for want of room, and windows opened.

Header blocks are encoded when they are written, never when they are held: the peer's table follows the
order on the wire.
"""

from collections import deque
from typing import Any

from proxy.http2 import frames
from proxy.http2.encoder import INDEXABLE, Encoder
from proxy.http2.frames import DATA, END_STREAM, head
from proxy.http2.settings import CONNECTION_WINDOW, DEFAULT_WINDOW, STREAM_WINDOW, PeerSettings, greeting
from proxy.http2.stream import Parts, Stream

HALF_STREAM = STREAM_WINDOW // 2
HALF_CONNECTION = CONNECTION_WINDOW // 2
ALL_STREAMS = 2**31 - 1
"""The highest stream number there is."""


class Sending:
    """One connection's sending half. Whoever gets something into an empty `out` goes into `dirty`."""

    def __init__(self, dirty: "list[Any]", *, is_server: bool) -> None:
        self.is_server = is_server
        self.streams: dict[int, Stream] = {}
        self.out: list[bytes] = []
        self.peer = PeerSettings()
        self.encoder = Encoder(INDEXABLE)
        self.credit = DEFAULT_WINDOW  # bytes that the peer takes, of all streams together
        self.waiting = 0  # bytes received and not passed on
        self._window = CONNECTION_WINDOW  # bytes that the peer may send, of all streams together
        self._unreported = 0  # bytes received that its window does not know of
        self.owed = 0  # bytes that the peer may have sent on streams before it heard that we ended them
        self.sent = 0  # DATA frames since the peer's budget grew by them
        self.is_paused = False  # the socket takes no more for now
        self.is_leaving = False  # no new streams, by the peer's will or ours
        self.socket: Any = None  # whoever writes `out`
        self.next_id = 1  # of the streams that we open
        self._dirty = dirty
        self._blocked: dict[Stream, None] = {}  # those that hold bytes and have credit of their own
        self._write(greeting(is_server=is_server))

    @property
    def room(self) -> int:
        """Streams that we may still open."""
        if self.is_leaving or self.next_id >= ALL_STREAMS:
            return 0
        return self.peer.max_concurrent_streams - len(self.streams)

    def open(self, owner: Any) -> Stream:
        """A stream of ours; there must be room."""
        stream = Stream(self, self.next_id, self.peer.initial_window_size, owner)
        self.streams[self.next_id] = stream
        self.next_id += 2
        return stream

    def send_headers(self, stream: Stream, parts: Parts, *, end: bool) -> None:
        """A header block, after everything that the stream holds."""
        if stream.held is not None:
            stream.held.append((parts, end))
            return
        self._write(frames.headers(stream.id, self.encoder.encode(parts), end=end))
        if end:
            self._end(stream)

    def send_data(self, stream: Stream, payload: bytes, *, end: bool) -> None:
        """Bytes of a message, now or when there is room for them."""
        size = len(payload)
        if (
            stream.held is not None
            or size > stream.credit
            or size > self.credit
            or size > self.peer.max_frame_size
            or self.is_paused
        ):
            self._hold(stream, payload, end=end)
            return
        out = self.out
        if not out:
            self._dirty.append(self)
        out.append(head(size, DATA, END_STREAM if end else 0, stream.id))
        out.append(payload)
        stream.credit -= size
        self.credit -= size
        self.sent += 1
        if end:
            self._end(stream)
        source = stream.source
        if source is not None and not source.peer_ended:
            source.connection.passed_on(source, size)

    def send_reset(self, stream: Stream, code: int) -> None:
        """End a stream at once, with whatever it holds; nothing where it has ended."""
        if self.streams.pop(stream.id, None) is not None:
            self._write(frames.reset(stream.id, code))
            if not stream.peer_ended:
                self.owed += stream.window
            self.forget(stream)

    def send_away(self, last: int, code: int, reason: str = "") -> None:
        """GOAWAY."""
        self._write(frames.go_away(last, code, reason))

    def forget(self, stream: Stream) -> None:
        """A stream has ended, with whatever it holds."""
        stream.we_ended = stream.peer_ended = True
        self.drop(stream)

    def drop(self, stream: Stream) -> None:
        """Drop what a stream holds, for what is to be said in its place."""
        if stream.held is not None:
            self._blocked.pop(stream, None)
            stream.held = None
            if stream.source is not None:
                stream.source.connection.waiting -= stream.held_size
            stream.held_size = 0

    def passed_on(self, stream: Stream, size: int) -> None:
        """So many bytes that the peer sent on a stream need no room here any more."""
        if not stream.peer_ended:
            stream.unreported += size
            if stream.unreported >= HALF_STREAM:
                stream.window += stream.unreported
                self._write(frames.window_update(stream.id, stream.unreported))
                stream.unreported = 0
        if self._unreported >= HALF_CONNECTION:
            self._open_window()  # what it waits for may have left, too

    def _open_window(self) -> None:
        """The connection's opens whatever its streams pass on, as long as there is room here."""
        if self.waiting < CONNECTION_WINDOW:
            self._window += self._unreported
            self._write(frames.window_update(0, self._unreported))
            self._unreported = 0

    def resume(self) -> None:
        """The socket takes bytes again, or the peer does."""
        self.is_paused = False
        for stream in tuple(self._blocked):
            if self.credit <= 0 or self.is_paused:
                return
            self.pump(stream)

    def pump(self, stream: Stream) -> None:
        """Send of what a stream holds as much as there is room for."""
        held = stream.held
        moved = 0
        while held and not self.is_paused:
            item, end = held[0]
            if not isinstance(item, bytes):
                held.popleft()
                self._write(frames.headers(stream.id, self.encoder.encode(item), end=end))
            else:
                size = len(item)
                room = min(stream.credit, self.credit, self.peer.max_frame_size)
                if size > room:
                    if room <= 0 < size:
                        break
                    held[0] = (item[room:], end)
                    item, size, end = item[:room], room, False
                else:
                    held.popleft()
                self._write(head(size, DATA, END_STREAM if end else 0, stream.id))
                self.out.append(item)
                stream.credit -= size
                self.credit -= size
                self.sent += 1
                moved += size
            if end:
                self._end(stream)
        self._moved(stream, moved)

    def _moved(self, stream: Stream, size: int) -> None:
        """Bytes that were held have left."""
        self._blocked.pop(stream, None)
        if not stream.held:
            stream.held = None
        elif stream.credit > 0 or self.is_paused:
            self._blocked[stream] = None
        if size:
            stream.held_size -= size
            source = stream.source
            if source is not None:
                source.connection.waiting -= size
                source.connection.passed_on(source, size)

    def _hold(self, stream: Stream, payload: bytes, *, end: bool) -> None:
        if stream.held is None:
            stream.held = deque()
        stream.held.append((payload, end))
        stream.held_size += len(payload)
        if stream.source is not None:
            stream.source.connection.waiting += len(payload)
        self.pump(stream)

    def _end(self, stream: Stream) -> None:
        """We have said all on a stream."""
        stream.we_ended = True
        if stream.peer_ended:
            self.streams.pop(stream.id, None)

    def _write(self, chunk: bytes) -> None:
        if not self.out:
            self._dirty.append(self)
        self.out.append(chunk)
