"""The engine: a listening socket, the connections on either side, and the table that is in force."""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from understudy.serving.failure import CannotStart

from proxy.engines import sockets
from proxy.engines.door import Door
from proxy.engines.engine import ALONE, Listening, Liveness
from proxy.engines.in_force import InForce, build
from proxy.engines.mirror import Mirrors
from proxy.engines.relay.address import Address
from proxy.engines.relay.caller import ROUND_TRIP, CallerConnection
from proxy.engines.relay.callers import Callers
from proxy.engines.relay.carrier import Carrier
from proxy.engines.relay.shadow import ask
from proxy.engines.relay.socket import close, flush
from proxy.engines.upstream import Upstream
from proxy.policy.admission import CallLimits, MirrorLimits
from proxy.policy.table import Table
from proxy.policy.trust import TrustedPeers
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from proxy.http2.connection import Connection

GRACE = 30.0
"""Seconds that calls on a replaced connection may still take."""

HANDSHAKES = 0.5
"""Seconds in which connections that were begun before the port was handed over are there."""

_log = logging.getLogger(__name__)


class RelayEngine:
    """Relays frames; its tasks belong to the group it is given."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        ledger: Ledger,
        tracing: Tracing,
        calls: CallLimits,
        mirrors: MirrorLimits,
        trusted: TrustedPeers,
        listening: Listening = ALONE,
        ticket_secret: bytes = b"",
    ) -> None:
        self._tasks = tasks
        self._calls = calls
        self._in_force: InForce[Address] | None = None
        self._listening = listening
        self._server: asyncio.Server | None = None
        self._port = 0  # of none, or a unix socket
        self._dirty: list[Connection] = []
        self._callers = Callers(self._dirty)
        self._idle = asyncio.Event()
        calls.on_idle = self._idle.set
        door = Door(lambda: self._in_force, calls, ledger, tracing, trusted, ticket_secret)
        self._mirrors = Mirrors(mirrors, ledger, tasks, ask)
        self._carrier = Carrier(door, self._mirrors, tasks)

    def __repr__(self) -> str:
        table = self._in_force.table if self._in_force else None
        return f"<RelayEngine {table.service if table else 'without a table'}, {self._calls}>"

    async def start(self, address: str) -> str:
        """Listen; see Engine."""
        loop = asyncio.get_running_loop()
        try:
            if address.startswith("unix:"):
                self._server = await loop.create_unix_server(self._caller, address.removeprefix("unix:"))
                return address
            host, _, port = address.rpartition(":")
            self._server = await loop.create_server(
                self._caller,
                host.strip("[]"),
                int(port),
                reuse_port=self._listening.reuse_port,
                backlog=1024,
            )
        except OSError:
            raise CannotStart(f"listen: {address} cannot be had; is it taken?") from None
        self._port = self._server.sockets[0].getsockname()[1]
        return f"{host}:{self._port}"

    def apply(self, table: Table) -> None:
        """Bring a table into force; connections that it no longer needs close after their calls."""
        before = self._in_force.upstreams if self._in_force else {}
        after = build(table, before, self._address)
        for key, upstream in after.upstreams.items():
            if key not in before:
                self._tasks.create_task(upstream.watch(), name=f"watch {upstream.target}")
        self._in_force = after
        self._mirrors.keep(mirror for route in table.routes for mirror in route.mirrors)
        for key, upstream in before.items():
            if key not in after.upstreams:
                self._tasks.create_task(upstream.close(GRACE), name=f"close {upstream.target}")

    def table(self) -> Table | None:
        """The table in force."""
        return self._in_force.table if self._in_force else None

    def liveness(self) -> Mapping[str, Liveness]:
        """Every variant of the table in force, by name."""
        in_force = self._in_force
        if in_force is None:
            return {}
        return {name: in_force.live(variant).liveness for name, variant in in_force.table.variants.items()}

    def in_flight(self) -> Mapping[str, int]:
        """Calls under way, by variant."""
        return dict(self._calls.by_variant)

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109  # a bound on others' calls
        """Leave; see Engine.

        Callers hear that they should go elsewhere, then, when that has reached them, which of their calls
        were taken up: those end here, and every other is theirs to send again. None is in between.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        if self._listening.reuse_port and await sockets.hand_over(self._port):
            _log.info("handed the port over", extra={"port": self._port})
            await asyncio.sleep(min(timeout, HANDSHAKES))
        if self._server is not None:
            self._server.close()
        self._leave(last=False)
        if self._callers.open:
            await asyncio.sleep(min(timeout, ROUND_TRIP))
        self._leave(last=True)
        try:
            async with asyncio.timeout_at(until):
                while self._calls.in_flight:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            pass
        await close(tuple(self._callers.open))
        for upstream in self._upstreams():
            await upstream.close()

    def _leave(self, *, last: bool) -> None:
        for caller in self._callers.open:
            caller.http2.leave(last=last)
        flush(self._dirty)

    def _caller(self) -> CallerConnection:
        age = self._listening.max_connection_age
        return CallerConnection(self._dirty, self._carrier, self._callers, age)

    def _address(self, name: str, authority: str, max_receive: int, lost: asyncio.Event) -> Address:
        del authority, max_receive  # the caller's own authority passes; a copy bounds its answer itself
        return Address(name, lost, self._dirty)

    def _upstreams(self) -> list[Upstream[Address]]:
        return list(self._in_force.upstreams.values()) if self._in_force else []
