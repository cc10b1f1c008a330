"""Statuses that gRPC's own client made, told from those a model server sent.

A status of a model server passes untouched. One that the client library made up for a failed connection or
a reset stream is ours: UNAVAILABLE, with the reason in `x-understudy-error`. grpc.aio tells the two apart
by nothing but the text, so the texts of gRPC core are listed here. A deadline is told by the clock instead:
a model server may say DEADLINE_EXCEEDED of its own, with whatever text.
"""

from dataclasses import dataclass

import grpc

from proxy.policy.matching import Metadata

_UNREACHABLE = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "empty address list",
    "dns resolution failed",
    "name resolution failure",
    "domain name not found",
)
_RESET = (
    "socket closed",
    "connection reset",
    "received rst_stream",
    "stream removed",
    "goaway",
    "broken pipe",
    "transport closed",
    "endpoint closing",
    "connection aborted",
    "recvmsg:",
    "sendmsg:",
    "end of tcp stream",
    "cancelling all calls",  # what a C++ or Python server that stops at once says in its GOAWAY
)
TIMER_SLACK = 0.002
"""Seconds that a timer of gRPC core may be early."""

_LOCAL_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an upstream call ended; `reason` is empty where the model server said so itself."""

    code: grpc.StatusCode
    details: str
    trailing: Metadata
    reason: str = ""

    def was_taken(self, *, is_connected: bool) -> bool:
        """Some model server had the call, as far as one can tell; `is_connected`: there is one."""
        if self.reason == "deadline_exceeded":
            return is_connected
        return self.reason != "no_live_upstream"


def is_over(call: grpc.aio.Call) -> bool:
    """Whether an upstream call that has ended had no time left."""
    remaining = call.time_remaining()
    return remaining is not None and remaining <= TIMER_SLACK


def ending_of(code: grpc.StatusCode, details: str | None, trailing: Metadata, *, over: bool) -> Ending:
    """The ending that a caller is told; `over`: the deadline of the call had passed."""
    text = details or ""
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and over:
        return Ending(code, "Deadline Exceeded", trailing, "deadline_exceeded")
    if code in _LOCAL_CODES and not trailing:
        lowered = text.lower()
        if any(part in lowered for part in _UNREACHABLE):
            return Ending(grpc.StatusCode.UNAVAILABLE, "no live upstream", (), "no_live_upstream")
        if any(part in lowered for part in _RESET):
            return Ending(grpc.StatusCode.UNAVAILABLE, "upstream reset", (), "upstream_reset")
    return Ending(code, text, trailing)
