"""One address of a target: its connections, and the calls that wait for one.

    connecting ── SETTINGS came ──▶ connected ── the last connection is lost ──▶ connecting, at once
        ▲                                                                            │ refused
        └───────────────────────── a pause, at most a second ◀───────────────────────┘ not connected

A call goes onto the first connection with room for a stream. Where none has, it waits, and another
connection is made, up to `MAX_CONNECTIONS`; its deadline goes on meanwhile. Where no connection comes about,
it has surely reached nobody, and is told so.
"""

import asyncio
import contextlib
import logging
import random
import time
from typing import Protocol

from proxy.engines.relay.server import Owner, ServerConnection, connect
from proxy.engines.relay.socket import close, flush
from proxy.http2.connection import Connection
from proxy.http2.stream import Stream
from proxy.policy.balancing import HEALTHY, Health
from proxy.tls.keyring import Security
from proxy.tls.secured import Failed

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
"""Seconds between two tries to connect."""

MAX_CONNECTIONS = 16
"""Connections to one address."""


_log = logging.getLogger(__name__)


class Waiting(Owner, Protocol):
    """A call or copy that wants a stream."""

    def send_to(self, up: Stream, now: float) -> None:
        """Here it is."""

    def unreachable(self) -> None:
        """There is none to be had."""


class Address:
    """Connections to one address; what `Upstream` chooses among."""

    def __init__(
        self, name: str, lost: asyncio.Event, dirty: list[Connection], security: Security | None = None
    ) -> None:
        self.name = name
        self.problem = ""
        self._security = security
        self.in_flight = 0
        self.connected: bool | None = None
        self.health: Health = HEALTHY
        self._lost = lost
        self._dirty = dirty
        self._connections: list[ServerConnection] = []
        self._waiting: dict[Waiting, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_closed = False
        self._idle = asyncio.Event()  # closed, and nothing is under way

    def __repr__(self) -> str:
        state = f"connected={self.connected} in_flight={self.in_flight}"
        return f"<Address {self.name} {state} {self._connections}>"

    @property
    def is_fine(self) -> bool:
        """Connected, and nothing is held against it."""
        return self.connected is True and self.health is HEALTHY

    def place(self, what: Waiting, now: float) -> None:
        """Give a stream, now or when there is one."""
        for connection in self._connections:
            if connection.http2.room > 0:
                what.send_to(connection.http2.open(what), now)
                return
        if self.is_closed or (self.connected is False and not self._connections):
            self.health = self.health.failed(time.monotonic())
            what.unreachable()
            return
        self._waiting[what] = None
        self._wake.set()

    def forget(self, what: Waiting) -> None:
        """It waits no more."""
        self._waiting.pop(what, None)

    def left(self) -> None:
        """A stream has ended: there may be room for one that waits, and none left of one that is leaving."""
        self.in_flight -= 1
        if self.is_closed and not self.in_flight:
            self._idle.set()
        if self._waiting:
            self._serve()
        for connection in self._connections:
            if connection.http2.is_leaving and not connection.http2.streams:
                connection.close()

    def answered(self) -> None:
        """A call was answered."""
        if self.health is not HEALTHY:
            self.health = HEALTHY

    async def watch(self) -> None:
        """Keep connected until closed."""
        self._task = asyncio.current_task()
        pause = FIRST_PAUSE
        while True:
            self._wake.clear()
            if not self._is_wanted():
                await self._wake.wait()
                continue
            try:
                made = await connect(self.name, self._dirty, self._changed, self._security)
            except (OSError, TimeoutError) as error:
                self._explain(error)
                self._failed()
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # not a secret
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self.problem = ""
            if self.connected is False:
                self.health = HEALTHY
            self.connected = True
            self._connections.append(made)
            self._serve()

    async def close(self, grace: float | None = None) -> None:
        """Close after the calls in flight, or after `grace` seconds."""
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
        if grace and self.in_flight:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._idle.wait()
        self._turn_away()
        flush(self._dirty)
        await close(tuple(self._connections))

    def _is_wanted(self) -> bool:
        """Another connection is."""
        usable = [one for one in self._connections if not one.http2.is_leaving]
        if not usable:
            return True
        return bool(self._waiting) and len(usable) < MAX_CONNECTIONS

    def _changed(self) -> None:
        """A connection takes more streams than before, or none."""
        for one in [one for one in self._connections if one.http2.failure]:
            self._connections.remove(one)
        if all(one.http2.is_leaving for one in self._connections):
            self._wake.set()
        self._serve()

    def _serve(self) -> None:
        """Streams for those that wait, as far as there are any."""
        now = time.perf_counter()
        for connection in self._connections:
            while self._waiting and connection.http2.room > 0:
                what = next(iter(self._waiting))
                del self._waiting[what]
                what.send_to(connection.http2.open(what), now)
        flush(self._dirty)

    def _explain(self, error: OSError | TimeoutError) -> None:
        """Why there is no TLS: once in the log, and for as long as it lasts where it is asked for."""
        before, self.problem = self.problem, str(error) if isinstance(error, Failed) else ""
        if self.problem and self.problem != before:
            _log.warning("no TLS connection", extra={"address": self.name, "reason": self.problem})

    def _failed(self) -> None:
        """No connection came about."""
        if any(not one.http2.is_leaving for one in self._connections):
            return  # it was to be one more
        self.connected = False
        self._lost.set()
        self._turn_away()
        flush(self._dirty)

    def _turn_away(self) -> None:
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self.health = self.health.failed(time.monotonic())
        for what in waiting:
            what.unreachable()
