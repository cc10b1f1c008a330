"""A copy of a call on its way to a shadow, and the bytes that it holds until it has ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy.compare.answers import Answer
from proxy.engines.calls import AnyCall
from proxy.policy.admission import MirrorLimits
from proxy.policy.breaker import Breaker
from proxy.policy.table import Mirror
from proxy.stats.arms import Flight
from proxy.telemetry.tracing import CallTrace

UNCOMPARED = Answer("")
"""Stands for a primary's answer that there was no room for."""

TOO_LARGE = 2**62
"""The size of requests that were not kept, since nobody would have had room for them."""


@dataclass(slots=True, eq=False)
class Copy:
    """One copy under way."""

    call: AnyCall
    mirror: Mirror
    requests: Sequence[bytes]  # as the engine has them: messages, or frames of messages
    held: int
    limits: MirrorLimits
    trace: CallTrace | None
    breaker: Breaker  # of the shadow
    turn: int = 0  # of it
    is_sampled: bool = False  # kept for itself even where the answers agree
    flight: Flight | None = None
    started: float = 0.0  # when the shadow was asked
    answered: int = 0  # bytes of the shadow's answer that are held
    shadow: Answer | None = None  # once the shadow is done
    failure: str = ""  # the outcome, where that answer is none of the shadow's own
    shadow_latency: float = 0.0  # seconds
    primary: Answer | None = None  # once it `is_settled`; None where there is none to compare
    primary_latency: float = 0.0  # seconds
    is_settled: bool = False
    ended: bool = False

    @property
    def trace_id(self) -> str:
        """As exemplars and records have it."""
        return self.trace.context.trace_id_hex if self.trace else ""

    @property
    def has_shadow_failed(self) -> bool:
        """The shadow answered by a failure of its own, and the primary by none or another."""
        return (
            self.primary is not None
            and self.shadow is not None
            and (self.shadow.code not in ("OK", self.primary.code))
        )

    def hold(self, size: int) -> bool:
        """Hold so many more bytes, if there is room."""
        if not self.limits.hold(self.call.route.name, self.mirror, size):
            return False
        self.held += size
        return True

    def hold_answer(self, size: int) -> bool:
        """The same for what came of the shadow's answer so far, of which some may be held already."""
        if size != self.answered and not self.hold(size - self.answered):
            return False
        self.answered = size
        return True

    def drop_answer(self) -> None:
        """What came of the shadow's answer is thrown away."""
        self.limits.let_go(self.call.route.name, self.mirror, self.answered)
        self.held -= self.answered
        self.answered = 0


Tell = Callable[[Copy, Answer, str], None]
"""Told once for each copy: the shadow's answer, and the outcome where the shadow itself gave none."""

Ask = Callable[[Copy, Tell], None]
"""Asks a shadow, and tells, now or later.

What comes is held as it comes (`Copy.hold_answer`), where it may be more than one message."""
