"""W3C trace context: reading and writing `traceparent`, and the sampling decision.

Source: W3C Recommendation "Trace Context", level 1, section 3.2. Ids are arguments; nothing is drawn here.
"""

import re
from typing import NamedTuple

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class SpanContext(NamedTuple):
    """A place in a trace."""

    trace_id: int
    span_id: int
    sampled: bool

    @property
    def trace_id_hex(self) -> str:
        """32 digits, as people look it up."""
        return f"{self.trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """The header that makes the next hop a child of this place."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def parse(traceparent: str) -> SpanContext | None:
    """The caller's place in its trace; None for anything that is not a valid header."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, sampled=bool(int(match[4], 16) & 1))


def is_sampled(parent: SpanContext | None, ratio: float, draw: float) -> bool:
    """The caller's decision where it made one, else the configured share of calls."""
    return parent.sampled if parent is not None else draw < ratio
