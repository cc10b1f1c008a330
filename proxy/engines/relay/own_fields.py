"""The fields of the sidecar's own that a call gets on its way: to a model server, and back to its caller."""

from proxy.engines.calls import AnyCall
from proxy.engines.relay.requests import Request, timeout_of, with_authority
from proxy.http2.encoder import literal, prefix
from proxy.http2.fields import Run, text
from proxy.http2.stream import Parts
from proxy.policy.trust import MAX_HOPS
from proxy.telemetry.tracing import CallTrace

MAX_VARIANTS = 64
"""Runs that are kept: one for each variant there is."""

_REQUEST_ID = prefix("x-request-id")
_TICKET = prefix("x-understudy-ticket")
_TIMEOUT = prefix("grpc-timeout")
_TRACEPARENT = prefix("traceparent")
_HOPS = [Run((("x-understudy-hops", str(hops + 1)),)) for hops in range(MAX_HOPS + 1)]
_MIRROR = literal("x-understudy-mirror", "1")


def forwarded(
    call: AnyCall,
    request: Request,
    trace: CallTrace | None,
    timeout: float | None,
    *,
    is_mirror: bool,
    authority: str,
) -> Parts:
    """Headers for a model server; our own fields last."""
    parts = request.parts.copy()
    if trace is not None:
        traceparent = _TRACEPARENT + text(trace.context.traceparent)
        if request.traceparent_at >= 0:
            parts[request.traceparent_at] = traceparent
        else:
            parts.append(traceparent)
    if authority:
        parts = with_authority(parts, authority)
    if timeout is not None:
        parts.append(_TIMEOUT + text(timeout_of(timeout)))
    if call.is_id_ours:
        parts.append(_REQUEST_ID + text(call.request_id))
    parts.append(_HOPS[call.hops])
    if is_mirror:
        parts.append(_MIRROR)
    return parts


class OwnFields:
    """Those of answers; a field that repeats is one run, so that a connection's table may hold it."""

    def __init__(self) -> None:
        self._variants: dict[str, Run] = {}

    def __repr__(self) -> str:
        return f"<OwnFields {list(self._variants)}>"

    def answered(self, call: AnyCall, *, has_request_id: bool) -> Parts:
        """What the caller gets with an answer's first block."""
        parts: Parts = []
        if not has_request_id:
            parts.append(_REQUEST_ID + text(call.request_id))
        name = call.variant.name
        parts.append(self._variants.get(name) or self._variant(name))
        parts.append(_TICKET + text(call.ticket()))
        if call.variant is not call.intended:
            parts.append(literal("x-understudy-fallback", call.intended.name))
        return parts

    def _variant(self, name: str) -> Run:
        if len(self._variants) >= MAX_VARIANTS:
            self._variants.clear()
        run = self._variants[name] = Run((("x-understudy-variant", name),))
        return run
