"""A connection of ours without a socket, and what it saw of its peer."""

from typing import Any

from proxy.http2 import frames
from proxy.http2.connection import Connection
from proxy.http2.fields import Run
from proxy.http2.stream import Stream

REQUEST = Run(((":method", "POST"), (":scheme", "http"), (":path", "/")))
REQUEST_BLOCK = b"\x83\x86\x84"
ANSWER = Run(((":status", "200"),))


class Seen:
    """Keeps the streams that came, and how they were lost."""

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.resets: list[int] = []

    def headers_came(self, stream: Stream, *_: Any, **__: Any) -> None:
        self.streams.append(stream)

    def reset_came(self, _stream: Stream, code: int) -> None:
        self.resets.append(code)

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class Peer:
    """One connection, and what it saw; its peer has greeted it."""

    def __init__(self, *, is_server: bool) -> None:
        self.seen = Seen()
        self.ours = Connection(self.seen, [], 0.0, is_server=is_server)
        self.ours.receive(frames.PREFACE * is_server + frames.frame(frames.SETTINGS, 0, 0), 0.0)
