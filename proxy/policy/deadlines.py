"""Deadlines: passed on, and only ever shrunk."""


def shrink(remaining: float | None, timeout: float | None) -> float | None:
    """Seconds a call may still take: the caller's rest or the route's timeout, the shorter; None: no end."""
    if remaining is None:
        return timeout
    return remaining if timeout is None else min(remaining, timeout)


def code_of_cancellation(remaining: float | None) -> str:
    """What a caller's cancellation counts as: at or after its deadline it is the deadline's."""
    return "DEADLINE_EXCEEDED" if remaining is not None and remaining <= 0 else "CANCELLED"
