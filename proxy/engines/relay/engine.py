"""The engine: a listening socket, the connections on either side, and the table that is in force."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from understudy.serving.failure import CannotStart

from proxy.engines import sockets, steering
from proxy.engines.door import Door
from proxy.engines.engine import ALONE, Listening, Liveness
from proxy.engines.in_force import InForce, build
from proxy.engines.mirror import Mirrors
from proxy.engines.relay import heir
from proxy.engines.relay.address import Address
from proxy.engines.relay.caller import PATIENCE, ROUND_TRIP, CallerConnection
from proxy.engines.relay.callers import Callers
from proxy.engines.relay.carrier import Carrier
from proxy.engines.relay.deadlines import Deadlines
from proxy.engines.relay.shadow import Asker
from proxy.engines.relay.socket import close, flush
from proxy.engines.upstream import Upstream
from proxy.policy.admission import CallLimits, MirrorLimits
from proxy.policy.table import Table
from proxy.policy.tls import VariantTls
from proxy.policy.trust import TrustedPeers
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import Tracing
from proxy.tls.keyring import Credential, Keyring, Refused
from proxy.tls.secured import Secured

if TYPE_CHECKING:
    from proxy.http2.connection import Connection

BACKLOG = 1024
"""Connections that may wait to be taken."""

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
        self._servers: list[asyncio.Server] = []
        self._port = 0  # of none, or a unix socket
        self._heirs: dict[int, heir.Heir] = {}  # to the sidecar before, by slot
        self._offers: dict[int, heir.Offer] = {}  # to the one after
        self._tending: list[asyncio.Task[None]] = []  # of the port
        self._keyring = Keyring(tasks)
        self._credential: Credential | None = None  # of the data port, where it is TLS
        self._dirty: list[Connection] = []
        self._callers = Callers(self._dirty)
        self._is_leaving = False
        self._idle = asyncio.Event()
        calls.on_idle = self._idle.set
        door = Door(lambda: self._in_force, calls, ledger, tracing, trusted, ticket_secret)
        deadlines = Deadlines(self._dirty)
        send = functools.partial(flush, self._dirty)
        self._mirrors = Mirrors(mirrors, ledger, tasks, Asker(deadlines).ask, send)
        self._carrier = Carrier(door, self._mirrors, deadlines, tasks)

    def __repr__(self) -> str:
        table = self._in_force.table if self._in_force else None
        return f"<RelayEngine {table.service if table else 'without a table'}, {self._calls}>"

    async def start(self, address: str) -> str:
        """Listen; see Engine."""
        loop = asyncio.get_running_loop()
        try:
            if self._listening.tls is not None:
                self._credential = self._keyring.listen(self._listening.tls)
            if address.startswith("unix:"):
                path = address.removeprefix("unix:")
                self._servers.append(await loop.create_unix_server(self._caller, path))
                return address
            await self._inherit(address)
            host, _, port = address.rpartition(":")
            if not self._servers:
                server = await loop.create_server(
                    self._caller,
                    host.strip("[]"),
                    int(port),
                    reuse_port=self._listening.is_shared,
                    backlog=BACKLOG,
                )
                self._servers.append(server)
        except Refused as refused:
            raise CannotStart(str(refused)) from None
        except OSError:
            raise CannotStart(f"listen: {address} cannot be had; is it taken?") from None
        self._port = self._servers[0].sockets[0].getsockname()[1]
        if self._listening.reuse_port:
            self._tend(address)
        return f"{host}:{self._port}"

    async def _inherit(self, address: str) -> None:
        """Take over from the sidecar that listens there, where it lets one."""
        place = self._listening.place
        if not self._listening.reuse_port or not heir.is_possible(address):
            return
        for one in await asyncio.to_thread(heir.inherit_all, address, place.number, place.of):
            self._heirs[one.slot] = one
            loop = asyncio.get_running_loop()
            server = await loop.create_server(self._caller, sock=one.listener, backlog=BACKLOG)
            self._servers.append(server)
        if self._heirs:
            _log.info("took the port over", extra={"address": address, "sockets": len(self._heirs)})

    def _tend(self, address: str) -> None:
        """Offer the port to whoever comes next, and make it ours alone once whoever was before is gone."""
        place = self._listening.place
        slots = list(self._heirs) or [place.number]
        offered = [one.listener.dup() for one in self._heirs.values()] or sockets.listeners(self._port)
        if heir.is_possible(address) and len(offered) == len(slots):
            for slot, listener in zip(slots, offered, strict=True):
                self._offers[slot] = offer = heir.Offer(address, slot, listener)
                self._tending.append(self._tasks.create_task(offer.run(), name=f"offer socket {slot}"))
        else:
            for listener in offered:
                listener.close()
        if place.number == 0:
            settling = steering.settle(self._port, place)
            self._tending.append(self._tasks.create_task(settling, name="settle on the port"))

    def apply(self, table: Table) -> None:
        """Bring a table into force; connections that it no longer needs close after their calls."""
        self._keyring.take(table)
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

        Callers hear that they should go elsewhere, then, when they have answered that, which of their calls
        were taken up: those end here, and every other is theirs to send again. None is in between.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        async with contextlib.AsyncExitStack() as stack:
            if await self._hand_over(stack):
                _log.info("handed the port over", extra={"port": self._port})
                await asyncio.sleep(min(timeout, HANDSHAKES))
            for server in self._servers:
                server.close()
            await self._leave(min(timeout, ROUND_TRIP))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    while self._calls.in_flight:
                        self._idle.clear()
                        await self._idle.wait()
            await close(tuple(self._callers.open))
        for one in self._heirs.values():
            one.close()
        for upstream in self._upstreams():
            await upstream.close()
        self._keyring.close()

    async def _hand_over(self, leaving: contextlib.AsyncExitStack) -> bool:
        """Leave the port to a successor: it has this very socket, or new connections are steered away."""
        is_elsewhere = bool(self._offers) and all(map(self._is_elsewhere, self._offers))
        for task in self._tending:
            task.cancel()
        if self._tending:
            await asyncio.wait(self._tending)
        for server in self._servers if is_elsewhere else ():
            server.close()  # both accepted until now
        if is_elsewhere or not self._listening.reuse_port:
            return is_elsewhere
        return await leaving.enter_async_context(steering.away(self._port, self._listening.place))

    def _is_elsewhere(self, slot: int) -> bool:
        """Whether another process has the socket in that slot, too: a successor, or whoever it is from."""
        return self._offers[slot].is_taken or (slot in self._heirs and self._heirs[slot].is_shared)

    async def _leave(self, patience: float) -> None:
        """Until every caller knows which of its calls were taken up, those that connect meanwhile, too."""
        self._is_leaving = True
        for caller in tuple(self._callers.open):
            caller.warn(min(PATIENCE, patience / 4))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while untold := [caller for caller in self._callers.open if not caller.told.has_happened]:
                    await untold[0].told.wait()
        for caller in tuple(self._callers.open):
            caller.tell()

    def _caller(self) -> asyncio.Protocol:
        age = self._listening.max_connection_age
        made = CallerConnection(self._dirty, self._carrier, self._callers, age, is_late=self._is_leaving)
        return made if self._credential is None else Secured(self._credential.identity.context, made)

    def _address(
        self, name: str, authority: str, max_receive: int, lost: asyncio.Event, tls: VariantTls | None
    ) -> Address:
        del authority, max_receive  # the caller's own authority passes; a copy bounds its answer itself
        return Address(name, lost, self._dirty, self._keyring.security(tls))

    def _upstreams(self) -> list[Upstream[Address]]:
        return list(self._in_force.upstreams.values()) if self._in_force else []
