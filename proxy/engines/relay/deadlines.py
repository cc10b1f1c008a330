"""Every deadline of an engine's, of calls and of copies, by one timer."""

import asyncio
import time
from typing import Protocol

from proxy.engines.relay.socket import flush
from proxy.engines.relay.wheel import Wheel
from proxy.http2.connection import Connection


class Expiring(Protocol):
    """What has a deadline."""

    def expire(self) -> None:
        """It is over."""


class Deadlines:
    """A wheel, and the loop's timer that turns it."""

    def __init__(self, dirty: list[Connection]) -> None:
        self._dirty = dirty
        self._wheel: Wheel[Expiring] = Wheel()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def __repr__(self) -> str:
        return f"<Deadlines {self._wheel}>"

    def add(self, what: Expiring, at: float) -> int:
        """Have it expire at that time of `time.perf_counter`; gives what to `discard` it by."""
        tick = self._wheel.add(what, at)
        self._arm()
        return tick

    def discard(self, what: Expiring, tick: int) -> None:
        """It has ended, or never had a deadline."""
        self._wheel.discard(what, tick)

    def _arm(self) -> None:
        """Have the timer go off when something may be due."""
        at = self._wheel.next
        if at is None or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = asyncio.get_running_loop().call_later(max(at - time.perf_counter(), 0.0), self._expire)

    def _expire(self) -> None:
        self._timer = None
        for what in self._wheel.due(time.perf_counter()):
            what.expire()
        flush(self._dirty)
        self._arm()
