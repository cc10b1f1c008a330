"""The engine: a server for callers, channels to variants, and the table that is in force."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Mapping

import grpc
from understudy.serving.failure import CannotStart

from proxy.engines import sockets, steering
from proxy.engines.door import Door
from proxy.engines.engine import ALONE, Listening, Liveness
from proxy.engines.grpc_aio import credentials, options
from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.asking import Asking
from proxy.engines.grpc_aio.streaming import Streaming
from proxy.engines.grpc_aio.unary import Unary
from proxy.engines.in_force import InForce, build
from proxy.engines.mirror import Mirrors
from proxy.engines.upstream import Upstream
from proxy.policy.admission import CallLimits, MirrorLimits
from proxy.policy.protocols import is_known_unary
from proxy.policy.table import Table
from proxy.policy.tls import VariantTls
from proxy.policy.trust import TrustedPeers
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import Tracing
from proxy.tls.keyring import Keyring, Refused

CHANNEL_GRACE = 30.0
"""Seconds that calls on a replaced connection may still take."""

MAX_HANDLERS = 1000

HANDSHAKES = 0.5
"""Seconds in which connections that were begun before the port was handed over are there."""
LAST_CALLS = 5.0
"""Seconds of a drain, at most half of it, that are kept for calls in flight once callers were told to go."""
PATIENCE = 1.0
QUIET = 0.1
"""Seconds without a call after which the next is likely to be as far off."""

_log = logging.getLogger(__name__)


class GrpcAioEngine:
    """Carries calls with grpc.aio; its tasks belong to the group it is given."""

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
        self._keyring = Keyring(tasks)
        self._port = 0  # of none, or a unix socket
        self._settling: asyncio.Task[None] | None = None
        door = Door(lambda: self._in_force, calls, ledger, tracing, trusted, ticket_secret)
        self._mirrors = copies = Mirrors(mirrors, ledger, tasks, Asking(tasks).ask)
        self._server = grpc.aio.server(options=options.server(listening))
        self._server.add_generic_rpc_handlers((_AnyMethod(Unary(door, copies), Streaming(door, copies)),))

    def __repr__(self) -> str:
        table = self._in_force.table if self._in_force else None
        return f"<GrpcAioEngine {table.service if table else 'without a table'}, {self._calls}>"

    async def start(self, address: str) -> str:
        """Listen; see Engine."""
        tls = self._listening.tls
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                own = credentials.of_server(self._keyring.listen(tls))
                port = self._server.add_secure_port(address, own)
        except Refused as refused:
            raise CannotStart(str(refused)) from None
        except RuntimeError:
            raise CannotStart(f"listen: {address} cannot be had; is it taken?") from None
        await self._server.start()
        if address.startswith("unix:"):
            return address
        self._port = port
        if self._listening.reuse_port and self._listening.place.number == 0:
            settling = steering.settle(port, self._listening.place)
            self._settling = self._tasks.create_task(settling, name="settle on the port")
        return f"{address.rpartition(':')[0]}:{port}"

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
                self._tasks.create_task(upstream.close(CHANNEL_GRACE), name=f"close {upstream.target}")

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

        gRPC's own stop tells callers to go, and cancels each call that arrives before its caller has heard
        of it, or that waits to be taken up (https://github.com/grpc/grpc/issues/41785). So it comes last and,
        if there is one, in a quiet moment.
        """
        until = time.monotonic() + timeout
        if self._settling is not None:
            self._settling.cancel()
        async with contextlib.AsyncExitStack() as stack:
            if self._listening.reuse_port:
                leaving = steering.away(self._port, self._listening.place)
                if await stack.enter_async_context(leaving):
                    _log.info("handed the port over", extra={"port": self._port})
                    await asyncio.sleep(min(timeout, HANDSHAKES))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(timeout - min(timeout / 2, LAST_CALLS), self._patience())):
                    await self._quiet()
            rest = until - time.monotonic()
            await self._server.stop(rest if rest > 0 else None)
        for upstream in self._upstreams():
            await upstream.close()
        self._keyring.close()

    def _patience(self) -> float:
        """Seconds to wait for a moment without calls, before callers are told to go whatever they do."""
        age = self._listening.max_connection_age
        return PATIENCE if age is None else PATIENCE + age * 1.1  # gRPC spreads the age by a tenth

    async def _quiet(self) -> None:
        """Until no call is in flight and none has begun for a while, or no caller is connected any more."""
        begun, since = -1, 0.0
        while True:
            now = time.monotonic()
            if self._calls.in_flight or self._calls.begun != begun:
                begun, since = self._calls.begun, now
            elif self._listening.max_connection_age is None and now - since >= QUIET:
                return
            if not self._calls.in_flight and not sockets.connections(self._port):
                return
            await asyncio.sleep(QUIET / 5)

    def _address(
        self, name: str, authority: str, max_receive: int, lost: asyncio.Event, tls: VariantTls | None
    ) -> Address:
        if max_receive >= 0:  # for copies: what gRPC core takes of an answer counts once it is whole
            max_receive = min(max_receive, self._mirrors.limits.max_bytes)
        return Address(name, authority, max_receive, lost, self._keyring.security(tls))

    def _upstreams(self) -> list[Upstream[Address]]:
        return list(self._in_force.upstreams.values()) if self._in_force else []


class _AnyMethod(grpc.GenericRpcHandler):
    """Takes every method."""

    def __init__(self, unary: Unary, streaming: Streaming) -> None:
        self._unary = unary
        self._streaming = streaming
        self._handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            handler = self._handler(method)
            if len(self._handlers) < MAX_HANDLERS:
                self._handlers[method] = handler
        return handler

    def _handler(self, method: str) -> "grpc.RpcMethodHandler[bytes, bytes]":
        if is_known_unary(method):
            return grpc.unary_unary_rpc_method_handler(functools.partial(self._unary.serve, method))
        return grpc.stream_stream_rpc_method_handler(functools.partial(self._streaming.serve, method))
