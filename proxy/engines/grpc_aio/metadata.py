"""What of a call's metadata passes, and what is added on the way."""

from grpc.aio import Metadata as GrpcMetadata
from understudy.checks.names import OWN_PREFIX

from proxy.engines.calls import REQUEST_ID_KEY, AnyCall
from proxy.policy.matching import Metadata, values
from proxy.policy.trust import HOPS_KEY, MIRROR_KEY
from proxy.telemetry.tracing import CallTrace

_NOT_FORWARDED = frozenset({"user-agent"})  # the client library writes its own


def forwarded(call: AnyCall) -> list[tuple[str, str | bytes]]:
    """Metadata for the model server."""
    return _forwarded(call, call.trace, is_mirror=call.marked)


def mirrored(call: AnyCall, trace: CallTrace | None) -> list[tuple[str, str | bytes]]:
    """Metadata for a shadow."""
    return _forwarded(call, trace, is_mirror=True)


def answered(call: AnyCall, metadata: Metadata) -> list[tuple[str, str | bytes]]:
    """The model server's metadata as the caller gets it; our own keys last, and only ours.

    Initial metadata, or trailing, where an answer is nothing but trailers.
    """
    passed = list(metadata)
    if not values(passed, REQUEST_ID_KEY):
        passed.append((REQUEST_ID_KEY, call.request_id))
    passed += [("x-understudy-variant", call.variant.name), ("x-understudy-ticket", call.ticket())]
    if call.variant is not call.intended:
        passed.append(("x-understudy-fallback", call.intended.name))
    return passed


def received(metadata: GrpcMetadata | None) -> Metadata:
    """A model server's metadata without keys that only the sidecar may set."""
    return [(key, value) for key, value in metadata or () if not key.startswith(OWN_PREFIX)]


def _forwarded(call: AnyCall, trace: CallTrace | None, *, is_mirror: bool) -> list[tuple[str, str | bytes]]:
    """The caller's metadata in its order; our own keys last."""
    passed = [
        (key, value)
        for key, value in call.metadata
        if key not in _NOT_FORWARDED
        and not key.startswith(OWN_PREFIX)
        and not (trace is not None and key == "traceparent")
    ]
    if trace is not None:
        passed.append(("traceparent", trace.context.traceparent))
    if not values(call.metadata, REQUEST_ID_KEY):
        passed.append((REQUEST_ID_KEY, call.request_id))
    passed.append((HOPS_KEY, str(call.hops + 1)))
    if is_mirror:
        passed.append((MIRROR_KEY, "1"))
    return passed
