"""Where calls come in and go out: decided by the table in force, counted in the ledger."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from proxy.engines.calls import REQUEST_ID_KEY, Call, Refused
from proxy.engines.in_force import InForce
from proxy.engines.upstream import A
from proxy.policy.admission import CallLimits
from proxy.policy.deadlines import shrink, wire_exact
from proxy.policy.matching import Metadata, values
from proxy.policy.splitting import bucket
from proxy.policy.table import Route, Variant
from proxy.policy.trust import HOPS_KEY, MAX_HOPS, MIRROR_KEY, TrustedPeers, hops_of
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Door(Generic[A]):
    """Everything a call is decided by, beside the table."""

    in_force: Callable[[], InForce[A] | None]
    limits: CallLimits
    ledger: Ledger
    tracing: Tracing
    trusted: TrustedPeers
    ticket_secret: bytes = field(default=b"", repr=False)

    def open(
        self,
        method: str,
        metadata: Metadata,
        request: bytes | None,
        *,
        allowed: float | None,
        peer: Callable[[], str],
        started: float,
    ) -> Call[A]:
        """Decide a call that `limits` let in; raises Refused.

        `request` is its first message, if known; `allowed` the seconds that its caller gives it; `peer` the
        caller's address in gRPC name syntax; `started` by the clock of `time.perf_counter`.
        """
        in_force = self.in_force()
        if in_force is None:
            raise Refused("UNAVAILABLE", "no configuration yet", "no_configuration")
        hops, marked = self._marks(metadata, peer)
        route = in_force.table.route_of(method, metadata, request)
        timeout = shrink(allowed, route.timeout)
        if timeout is not None and timeout <= 0:
            raise Refused("DEADLINE_EXCEEDED", "Deadline Exceeded", "deadline_exceeded")
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
        found = values(metadata, REQUEST_ID_KEY)
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
            request_id=found[0] if found else f"{random.getrandbits(128):032x}",
            is_id_ours=not found,
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

    def close(self, call: Call[A], code: str) -> None:
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

    def _marks(self, metadata: Metadata, peer: Callable[[], str]) -> tuple[int, bool]:
        """Hops so far and whether it is a copy: from trusted peers only."""
        marks = [key for key, _ in metadata if key in (HOPS_KEY, MIRROR_KEY)]
        if not marks or not self.trusted.includes(peer()):
            return 0, False
        hops = hops_of(metadata)
        if hops >= MAX_HOPS:
            raise Refused("UNAVAILABLE", "passed too many sidecars: a loop", "loop")
        return hops, "1" in values(metadata, MIRROR_KEY)

    def _key(self, route: Route, method: str, metadata: Metadata, request: bytes | None) -> bytes | None:
        """What ties the call to a user; None where it is to be drawn at random."""
        key = route.sticky.from_metadata(metadata)
        if key is None and request is not None:
            key = route.sticky.from_payload(method, request)
            if key is None and route.sticky.is_cut_short(method, request):
                self.ledger.totals.sticky_key_too_late += 1
        return key

    def _live(
        self, in_force: InForce[A], route: Route, intended: Variant, user: int | None, *, counted: bool
    ) -> Variant:
        """The variant itself, or the fallback where it has no live address."""
        fallback = in_force.table.fallback
        if in_force.live(intended).liveness.live is not False or intended is fallback:
            return intended
        if counted:
            self.ledger.fallback(in_force.table, route.name, intended.name, user)
        return fallback
