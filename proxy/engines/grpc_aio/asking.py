"""Asks a shadow: whatever the primary was asked, whatever comes back, within the mirror's bounds."""

import asyncio
import functools
import logging

import grpc

from proxy.compare.answers import PER_MESSAGE, Answer
from proxy.engines.copies import Copy, Tell
from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.failures import ending_of, is_over
from proxy.engines.grpc_aio.metadata import mirrored, received
from proxy.policy.protocols import is_known_unary

_log = logging.getLogger(__name__)

Asked = (
    grpc.aio.UnaryUnaryCall[bytes, bytes]
    | grpc.aio.UnaryStreamCall[bytes, bytes]
    | grpc.aio.StreamStreamCall[bytes, bytes]
)

_TOO_LARGE = ("client: received message larger than max", "decompressed message larger than max")
"""What gRPC core says of an answer that it did not take; a model server says the like of requests."""


class Asking:
    """Asks shadows in tasks of the engine's group."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def ask(self, copy: Copy, tell: Tell) -> None:
        """See Ask."""
        asking = self._tasks.create_task(_guarded(copy), name="mirror")
        # A task that is cancelled before its first step never runs, and no `finally` in it.
        asking.add_done_callback(functools.partial(_told, copy, tell))


def _told(copy: Copy, tell: Tell, asking: "asyncio.Task[tuple[Answer, str]]") -> None:
    if asking.cancelled():
        tell(copy, Answer("CANCELLED"), "cancelled")
    else:
        tell(copy, *asking.result())


async def _guarded(copy: Copy) -> tuple[Answer, str]:
    try:
        return await _ask(copy)
    except Exception:  # noqa: BLE001  # whatever it is, a copy must not take the sidecar with it
        _log.exception("a copy failed")
        return Answer("INTERNAL"), "error"


async def _ask(copy: Copy) -> tuple[Answer, str]:
    """The shadow's answer, and the outcome where the shadow itself gave none."""
    mirror = copy.mirror
    address = copy.call.in_force.mirror(mirror).address()
    if address is None:
        return Answer("UNAVAILABLE"), "unreachable"
    messages: list[bytes] = []
    try:
        call = _begin(copy, address)
    except grpc.aio.UsageError:  # a push took this connection away since the copy was offered
        return Answer("CANCELLED"), "cancelled"
    try:
        if isinstance(call, grpc.aio.UnaryUnaryCall):
            messages.append(await call)
            if not copy.hold_answer(len(messages[0])):
                return Answer("RESOURCE_EXHAUSTED"), "dropped_bytes"
        else:
            async for message in call:
                size = len(message) + (PER_MESSAGE if messages else 0)
                if not copy.hold_answer(copy.answered + size):
                    messages.clear()
                    copy.drop_answer()
                    # Not cancelled: grpc.aio keeps what it knows of such a call. Nothing more is read of it,
                    # so that its window holds the shadow back until the deadline ends it.
                    await call.code()
                    return Answer("RESOURCE_EXHAUSTED"), "dropped_bytes"
                messages.append(message)
    except grpc.aio.AioRpcError as error:
        return _failure(error, over=is_over(call))
    return Answer("OK", tuple(messages)), ""


def _begin(copy: Copy, address: Address) -> Asked:
    method, deadline = copy.call.method, copy.mirror.deadline
    metadata = mirrored(copy.call, copy.trace)
    if len(copy.requests) != 1:
        call = address.stream(method)(iter(copy.requests), timeout=deadline, metadata=metadata)
        return address.counted(call)
    (request,) = copy.requests
    begin = address.unary(method) if is_known_unary(method) else address.unary_stream(method)
    return address.counted(begin(request, timeout=deadline, metadata=metadata))


def _failure(error: grpc.aio.AioRpcError, *, over: bool) -> tuple[Answer, str]:
    """A status, and the outcome it stands for where it is not the shadow's own."""
    ending = ending_of(error.code(), error.details(), received(error.trailing_metadata()), over=over)
    if ending.reason == "no_live_upstream":
        return Answer(ending.code.name), "unreachable"
    if ending.reason == "deadline_exceeded":
        return Answer(ending.code.name), "deadline"
    details = ending.details.lower()
    if ending.code is grpc.StatusCode.RESOURCE_EXHAUSTED and any(text in details for text in _TOO_LARGE):
        return Answer(ending.code.name), "dropped_bytes"
    return Answer(ending.code.name), "error" if ending.reason else ""
