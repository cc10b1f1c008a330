"""Deadlines: passed on, and only ever shrunk.

gRPC core writes a deadline of up to 1 s in milliseconds and a longer one with about three digits, rounded
up: 12.345 s leaves as 12.4 s.
"""

import math

MILLISECOND = 0.001
EXACT = 1000.0
"""Seconds up to which gRPC's steps are those of `wire_exact`."""
CLOCK_SLACK = 0.005
"""Seconds that a caller's cancellation at its deadline may be early, by its clock and the way here."""
LONGER = 0.03
"""By how much of itself gRPC core may write a deadline longer: it repeats one from before that is near."""


def shrink(remaining: float | None, timeout: float | None) -> float | None:
    """Seconds a call may still take: the caller's rest or the route's timeout, the shorter; None: no end."""
    if remaining is None:
        return timeout
    return remaining if timeout is None else min(remaining, timeout)


def wire_exact(timeout: float) -> float:
    """The longest time of at most `timeout` seconds that gRPC's rounding up does not make longer than it.

    A millisecond less, to begin with: as much may one clock be behind the other when a call has just arrived.
    Up to a thousand seconds the longest there is; beyond, where gRPC counts in tens and hundreds of seconds,
    minutes and hours, whichever fits, less by the hundredth that it may add.
    """
    if timeout > EXACT:
        return timeout * 0.99
    rest = timeout - MILLISECOND
    if rest <= 2 * MILLISECOND:
        return timeout
    step = MILLISECOND if rest < 1 else 0.01 if rest < 10 else 0.1 if rest < 100 else 1.0
    return math.floor(rest / step) * step - MILLISECOND


def code_of_cancellation(remaining: float | None, allowed: float | None = None) -> str:
    """What a caller's cancellation counts as: at or after its deadline it is the deadline's.

    `allowed` is the time that the call had in all, as it was written on the wire: its own clock runs out by
    as much earlier as that is longer.
    """
    slack = CLOCK_SLACK + allowed * LONGER if allowed is not None else 0.0
    return "DEADLINE_EXCEEDED" if remaining is not None and remaining <= slack else "CANCELLED"
