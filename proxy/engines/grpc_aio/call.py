"""One call through the sidecar: decided at its beginning, counted at its end."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from understudy.tickets import Ticket, encode

from proxy.engines.grpc_aio import metadata as keys
from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.failures import ERROR_KEY, Ending
from proxy.engines.grpc_aio.in_force import InForce
from proxy.engines.grpc_aio.upstream import Upstream
from proxy.policy.admission import CallLimits
from proxy.policy.deadlines import shrink, wire_exact
from proxy.policy.matching import Metadata, values
from proxy.policy.splitting import bucket
from proxy.policy.table import Route, Variant
from proxy.stats.arms import Flight
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import CallTrace, Tracing

Context = grpc.aio.ServicerContext[Any, Any]


class Refused(Exception):
    """The sidecar does not carry this call."""

    def __init__(self, code: grpc.StatusCode, details: str, reason: str) -> None:
        super().__init__(details)
        self.ending = Ending(code, details, (), reason)


@dataclass(slots=True)
class Call:
    """What was decided of a call; `timeout` and `started` in seconds."""

    in_force: InForce
    method: str
    route: Route
    intended: Variant
    variant: Variant
    upstream: Upstream
    metadata: Metadata  # as the caller sent it
    request_id: str
    hops: int
    marked: bool  # a copy already: neither mirrored again nor counted
    trace: CallTrace | None
    allowed: float | None  # by the caller
    timeout: float | None  # for the model server
    started: float
    address: Address | None  # of the upstream; None while it has none that is usable
    bucket: int | None = None  # of the user that a sticky key names; None: drawn at random
    flight: Flight | None = None
    is_moved: bool = False  # to another address than its first
    time_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)  # since 1970
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    ticket_secret: bytes = field(default=b"", repr=False)

    @property
    def trace_id(self) -> str:
        """As reports and metrics show it; empty where the call is not traced."""
        return self.trace.context.trace_id_hex if self.trace else ""

    def forwarded(self) -> list[tuple[str, str | bytes]]:
        """Metadata for the model server."""
        traceparent = self.trace.context.traceparent if self.trace else ""
        return self._forwarded(traceparent, is_mirror=self.marked)

    def mirrored(self, trace: CallTrace | None) -> list[tuple[str, str | bytes]]:
        """Metadata for a shadow."""
        return self._forwarded(trace.context.traceparent if trace else "", is_mirror=True)

    def _forwarded(self, traceparent: str, *, is_mirror: bool) -> list[tuple[str, str | bytes]]:
        return keys.forwarded(
            self.metadata,
            request_id=self.request_id,
            traceparent=traceparent,
            hops=self.hops + 1,
            is_mirror=is_mirror,
        )

    def answered(self, metadata: Metadata) -> list[tuple[str, str | bytes]]:
        """Initial metadata for the caller (or trailing, where an answer is nothing but trailers)."""
        table, variant = self.in_force.table, self.variant
        ticket = Ticket(
            table.service,
            self.route.name,
            variant.name,
            variant.version,
            *table.at,
            self.time_ms,
            self.nonce,
            self.bucket,
        )
        return keys.answered(
            metadata,
            variant=variant.name,
            request_id=self.request_id,
            ticket=encode(ticket, self.ticket_secret),
            fallback_from=self.intended.name if self.variant is not self.intended else "",
        )


@dataclass(frozen=True, slots=True)
class Door:
    """Everything a call is decided by, beside the table."""

    in_force: Callable[[], InForce | None]
    limits: CallLimits
    ledger: Ledger
    tracing: Tracing
    trusted: keys.TrustedPeers
    ticket_secret: bytes = field(default=b"", repr=False)

    def open(self, method: str, context: Context, request: bytes | None) -> Call:
        """Decide a call that `limits` let in; raises Refused. `request` is its first message, if known."""
        started = time.perf_counter()
        in_force = self.in_force()
        if in_force is None:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "no configuration yet", "no_configuration")
        metadata: Metadata = tuple(context.invocation_metadata() or ())
        hops, marked = self._marks(metadata, context)
        route = in_force.table.route_of(method, metadata, request)
        allowed = context.time_remaining()
        timeout = shrink(allowed, route.timeout)
        if timeout is not None and timeout <= 0:
            raise Refused(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", "deadline_exceeded")
        key = self._key(route, method, metadata, request)
        user = None if key is None else bucket(key)
        # Not a secret.
        intended = route.split.by_draw(random.random()) if key is None else route.split.by_key(key)  # noqa: S311
        if not marked:
            self.ledger.assign(in_force.table, route, intended.name, key)
        variant = intended
        address = in_force.live(variant).usable_address()
        if address is None:
            variant = self._live(in_force, route, intended, user, counted=not marked)
            address = in_force.live(variant).address()
        found = values(metadata, keys.REQUEST_ID_KEY)
        trace = self.tracing.begin(method, metadata)
        if trace is not None:
            trace.annotate({"understudy.variant": variant.name, "understudy.route": route.name})
        return Call(
            in_force=in_force,
            method=method,
            route=route,
            intended=intended,
            variant=variant,
            upstream=in_force.live(variant),
            metadata=metadata,
            request_id=found[0] if found else secrets.token_hex(16),
            hops=hops,
            marked=marked,
            trace=trace,
            allowed=allowed,
            timeout=None if timeout is None else wire_exact(timeout),
            started=started,
            address=address,
            bucket=user,
            ticket_secret=self.ticket_secret,
            flight=None
            if marked or variant is not intended
            else self.ledger.depart(in_force.table, route.name, variant.name, started, bucket=user),
        )

    def close(self, call: Call, code: str) -> None:
        """Count a call that ended."""
        if call.trace is not None:
            call.trace.end(code)
        if call.marked:
            return
        self.ledger.call(
            call.in_force.table,
            call.route.name,
            call.variant.name,
            call.method,
            code,
            time.perf_counter() - call.started,
            evidence=call.variant is call.intended,
            trace_id=call.trace_id,
            bucket=call.bucket,
            flight=call.flight,
        )

    def _marks(self, metadata: Metadata, context: Context) -> tuple[int, bool]:
        """Hops so far and whether it is a copy: from trusted peers only."""
        marks = [key for key, _ in metadata if key in (keys.HOPS_KEY, keys.MIRROR_KEY)]
        if not marks or not self.trusted.includes(context.peer()):
            return 0, False
        hops = keys.hops_of(metadata)
        if hops >= keys.MAX_HOPS:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "passed too many sidecars: a loop", "loop")
        return hops, "1" in values(metadata, keys.MIRROR_KEY)

    def _key(self, route: Route, method: str, metadata: Metadata, request: bytes | None) -> bytes | None:
        """What ties the call to a user; None where it is to be drawn at random."""
        key = route.sticky.from_metadata(metadata)
        if key is None and request is not None:
            key = route.sticky.from_payload(method, request)
            if key is None and route.sticky.is_cut_short(method, request):
                self.ledger.totals.sticky_key_too_late += 1
        return key

    def _live(
        self, in_force: InForce, route: Route, intended: Variant, user: int | None, *, counted: bool
    ) -> Variant:
        """The variant itself, or the fallback where it has no live address."""
        fallback = in_force.table.fallback
        if in_force.live(intended).liveness.live is not False or intended is fallback:
            return intended
        if counted:
            self.ledger.fallback(in_force.table, route.name, intended.name, user)
        return fallback


async def answer_error(context: Context, ending: Ending, call: Call | None, initial: Metadata) -> None:
    """Tell the caller how its call ended. Nothing but trailers stays nothing but trailers.

    By setting, never by `context.abort`: grpc.aio's graceful stop does not wait for aborted handlers
    (https://github.com/grpc/grpc/issues/37239).
    """
    trailing = list(ending.trailing)
    if ending.reason:
        trailing.append((ERROR_KEY, ending.reason))
    if initial and call is not None:
        await context.send_initial_metadata(call.answered(initial))
    elif call is not None:
        trailing = call.answered(trailing)
    context.set_code(ending.code)
    context.set_details(ending.details)
    context.set_trailing_metadata(tuple(trailing))


async def refuse(door: Door, context: Context, refused: Refused, call: Call | None) -> None:
    """Answer a call that no model server sees."""
    door.ledger.refused(refused.ending.reason)
    if call is not None:
        door.close(call, refused.ending.code.name)
    await answer_error(context, refused.ending, None, ())


def overloaded(limit: str) -> Refused:
    """A limit is reached."""
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, f"limits.{limit} reached", limit)
