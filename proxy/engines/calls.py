"""One call through the sidecar, whichever engine carries it: what was decided of it at its beginning."""

import random
import time
from dataclasses import dataclass, field
from typing import Any, Generic

from understudy.tickets import Ticket, encode

from proxy.engines.in_force import InForce
from proxy.engines.upstream import A, Upstream
from proxy.policy.matching import Metadata
from proxy.policy.table import Route, Variant
from proxy.stats.arms import Flight
from proxy.telemetry.tracing import CallTrace

ERROR_KEY = "x-understudy-error"
REQUEST_ID_KEY = "x-request-id"


class Refused(Exception):
    """The sidecar does not carry this call: a status code's name, its text, and the reason as one word."""

    def __init__(self, code: str, details: str, reason: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.reason = reason


def overloaded(limit: str) -> Refused:
    """A limit is reached."""
    return Refused("RESOURCE_EXHAUSTED", f"limits.{limit} reached", limit)


@dataclass(slots=True)
class Call(Generic[A]):
    """What was decided of a call; `timeout` and `started` in seconds."""

    in_force: InForce[A]
    method: str
    route: Route
    intended: Variant
    variant: Variant
    upstream: Upstream[A]
    metadata: Metadata  # as the caller sent it
    request_id: str
    is_id_ours: bool  # the caller gave none
    hops: int
    marked: bool  # a copy already: neither mirrored again nor counted
    trace: CallTrace | None
    allowed: float | None  # by the caller
    timeout: float | None  # for the model server
    started: float
    address: A | None  # of the upstream; None while it has none that is usable
    bucket: int | None = None  # of the user that a sticky key names; None: drawn at random
    flight: Flight | None = None
    is_moved: bool = False  # to another address than its first
    time_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)  # since 1970
    nonce: str = field(default_factory=lambda: f"{random.getrandbits(64):016x}")
    ticket_secret: bytes = field(default=b"", repr=False)
    carried: Any = field(default=None, repr=False)  # the engine's own

    @property
    def trace_id(self) -> str:
        """As reports and metrics show it; empty where the call is not traced."""
        return self.trace.context.trace_id_hex if self.trace else ""

    def ticket(self) -> str:
        """What an outcome will be joined by; made of what is in force, of the variant that serves it now."""
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
        return encode(ticket, self.ticket_secret)


AnyCall = Call[Any]
