"""Asks a shadow: one request, whatever comes back, within the mirror's bounds."""

import grpc

from proxy.compare.answers import Answer
from proxy.engines.grpc_aio.failures import ending_of, is_over
from proxy.engines.grpc_aio.metadata import mirrored, received
from proxy.engines.mirror import Copy
from proxy.policy.protocols import is_known_unary


async def ask(copy: Copy) -> tuple[Answer, str]:
    """The shadow's answer, and the outcome where the shadow itself gave none."""
    mirror, method = copy.mirror, copy.call.method
    address = copy.call.in_force.mirror(mirror).address()
    if address is None:
        return Answer("UNAVAILABLE"), "unreachable"
    messages: list[bytes] = []
    begin = address.unary(method) if is_known_unary(method) else address.unary_stream(method)
    try:
        metadata = mirrored(copy.call, copy.trace)
        call = address.counted(begin(copy.request, timeout=mirror.deadline, metadata=metadata))
    except grpc.aio.UsageError:  # a push took this connection away since the copy was offered
        return Answer("CANCELLED"), "cancelled"
    try:
        if isinstance(call, grpc.aio.UnaryUnaryCall):
            messages.append(await call)
        else:
            size = 0
            async for message in call:
                size += len(message)
                if size > mirror.max_bytes:
                    call.cancel()
                    return Answer("RESOURCE_EXHAUSTED"), "dropped_bytes"
                messages.append(message)
    except grpc.aio.AioRpcError as error:
        return _failure(error, over=is_over(call))
    return Answer("OK", tuple(messages)), ""


def _failure(error: grpc.aio.AioRpcError, *, over: bool) -> tuple[Answer, str]:
    """A status, and the outcome it stands for where it is not the shadow's own."""
    ending = ending_of(error.code(), error.details(), received(error.trailing_metadata()), over=over)
    if ending.reason == "no_live_upstream":
        return Answer(ending.code.name), "unreachable"
    if ending.reason == "deadline_exceeded":
        return Answer(ending.code.name), "deadline"
    details = ending.details.lower()
    if ending.code is grpc.StatusCode.RESOURCE_EXHAUSTED and "received message larger than max" in details:
        return Answer(ending.code.name), "dropped_bytes"
    return Answer(ending.code.name), "error" if ending.reason else ""
