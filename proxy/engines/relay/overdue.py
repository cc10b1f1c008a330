"""What callers have begun and do not go on with: greetings, header blocks, and answers that nobody reads.

Looked for once a second over all connections together, so that nothing is counted or timed per frame. What
stands at two looks is the same thing if it is the same object: a block that is being put together, or the
head of what a stream holds.
"""

from collections.abc import Iterable
from typing import NamedTuple

from proxy.http2.connection import Connection
from proxy.http2.stream import Stream

EVERY = 1.0
"""Seconds between two looks."""

GREETING = 10.0
"""Seconds for a caller's preface and SETTINGS to be there, for the end of a header block that it began, and
for it to read that its connection has failed."""

NO_PROGRESS = 30.0
"""Seconds that a stream's answer may wait here without a byte of it leaving."""


class Found(NamedTuple):
    """What is to end."""

    connections: list[Connection]
    streams: list[tuple[Connection, Stream]]


class Overdue:
    """What stood at the last look, and since when."""

    def __init__(self) -> None:
        self._since: dict[Connection | Stream, tuple[object, float]] = {}

    def __repr__(self) -> str:
        return f"<Overdue {len(self._since)} stand>"

    def look(self, connections: Iterable[Connection], now: float) -> Found:
        """Everything that has stood for too long."""
        before, self._since = self._since, {}
        found = Found([], [])
        for connection in connections:
            unfinished = connection.unfinished
            if unfinished is not None and self._stands(connection, unfinished, before, now) >= GREETING:
                found.connections.append(connection)
            for stream in connection.streams.values():
                if stream.held and self._stands(stream, stream.held[0], before, now) >= NO_PROGRESS:
                    found.streams.append((connection, stream))
        return found

    def _stands(
        self,
        what: Connection | Stream,
        seen: object,
        before: dict[Connection | Stream, tuple[object, float]],
        now: float,
    ) -> float:
        """Seconds since it was first seen as it is."""
        earlier = before.get(what)
        since = earlier[1] if earlier is not None and earlier[0] is seen else now
        self._since[what] = seen, since
        return now - since
