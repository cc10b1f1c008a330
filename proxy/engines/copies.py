"""A copy of a call on its way to a shadow, and the bytes that it holds until it has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from proxy.compare.answers import Answer
from proxy.engines.calls import AnyCall
from proxy.policy.admission import MirrorLimits
from proxy.policy.table import Mirror
from proxy.stats.arms import Flight
from proxy.telemetry.tracing import CallTrace

UNCOMPARED = Answer("")
"""Stands for a primary's answer that there was no room for."""

TOO_LARGE = 2**62
"""The size of requests that were not kept, since nobody would have had room for them."""


@dataclass(slots=True, eq=False)
class Copy:
    """One copy under way. `primary` is settled with the primary's answer, or None where there is none."""

    call: AnyCall
    mirror: Mirror
    requests: Sequence[bytes]  # as the engine has them: messages, or frames of messages
    held: int
    limits: MirrorLimits
    trace: CallTrace | None
    turn: int = 0  # see Breaker
    flight: Flight | None = None
    outcome: str = "cancelled"  # unless it comes to another
    ended: bool = False
    answered: int = 0  # bytes of the shadow's answer that are held
    primary_latency: float = 0.0  # seconds, once it is settled
    primary: "asyncio.Future[Answer | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def hold(self, size: int) -> bool:
        """Hold so many more bytes, if there is room."""
        if not self.limits.hold(self.call.route.name, self.mirror, size):
            return False
        self.held += size
        return True

    def hold_answer(self, size: int) -> bool:
        """The same for what came of the shadow's answer so far, of which some may be held already."""
        if not self.hold(size - self.answered):
            return False
        self.answered = size
        return True

    def drop_answer(self) -> None:
        """What came of the shadow's answer is thrown away."""
        self.limits.let_go(self.call.route.name, self.mirror, self.answered)
        self.held -= self.answered
        self.answered = 0


Ask = Callable[[Copy], Awaitable[tuple[Answer, str]]]
"""Asks a shadow: gives its answer, and the outcome where the shadow itself gave none.

What comes is held as it comes (`Copy.hold_answer`), where it may be more than one message."""
