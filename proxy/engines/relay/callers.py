"""The callers' connections: so many at most, and none that keeps something here which does not go on.

Where there are as many as may be, a new one takes the place of the connection that has been idle longest,
among those of the host that has most of them: whoever hoards connections loses them first. Where every
connection of that host is at work, the new one is turned away.
"""

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from proxy.engines.relay.overdue import EVERY, Overdue
from proxy.engines.relay.socket import flush
from proxy.http2.errors import CANCEL, ENHANCE_YOUR_CALM

if TYPE_CHECKING:
    from proxy.engines.relay.caller import CallerConnection

MOST = 1000
"""Connections of callers."""


class Callers:
    """Those that are open."""

    def __init__(self, dirty: list[Any]) -> None:
        self.open: dict[CallerConnection, str] = {}  # with the host it comes from
        self._dirty = dirty
        self._overdue = Overdue()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Callers {len(self.open)}/{MOST}, {self._overdue}>"

    def take(self, caller: "CallerConnection", host: str) -> bool:
        """One more; False where there is no room for it."""
        if len(self.open) >= MOST and not self._make_room():
            return False
        self.open[caller] = host
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._look)
        return True

    def drop(self, caller: "CallerConnection") -> None:
        """One has closed."""
        self.open.pop(caller, None)
        if not self.open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _make_room(self) -> bool:
        live = {one: host for one, host in self.open.items() if not one.http2.failure}
        if len(live) < MOST:
            return True
        ((most, _),) = Counter(live.values()).most_common(1)
        idle = [one for one, host in live.items() if host == most and not one.http2.streams]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.http2.last_read)
        oldest.http2.fail(ENHANCE_YOUR_CALM, "too many connections")
        flush(self._dirty)
        return True

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY, self._look)
        connections, streams = self._overdue.look((one.http2 for one in self.open), time.perf_counter())
        for connection, stream in streams:
            connection.end_stream(stream, CANCEL)
        for connection in connections:
            if connection.failure:
                connection.socket.abort()  # it does not read that it is over
            else:
                connection.fail(ENHANCE_YOUR_CALM, "it did not go on with what it began")
        flush(self._dirty)
