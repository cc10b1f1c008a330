"""Calls of any number of messages each way, in either direction at any time.

Unary calls of methods that no protocol names come this way, too. Nobody waits to find out: a call that turns
out to have had a single request is copied then, its primary being under way; one of several when its primary
has ended.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc
from grpc.aio import EOF, AioRpcError

from proxy.compare.answers import Answer
from proxy.engines.calls import Refused, overloaded
from proxy.engines.copies import UNCOMPARED, Copy
from proxy.engines.grpc_aio.address import Address, write
from proxy.engines.grpc_aio.call import Call, Context, Door, answer_error, decide, refuse
from proxy.engines.grpc_aio.failures import Ending, ending_of, is_over
from proxy.engines.grpc_aio.messages import Requests
from proxy.engines.grpc_aio.metadata import answered, forwarded, received
from proxy.engines.grpc_aio.rerouting import elsewhere, placed
from proxy.engines.kept import Kept
from proxy.engines.mirror import Mirrors
from proxy.policy.deadlines import code_of_cancellation

TRAILERS_GRACE = 0.005
"""Seconds that a header block without a key waits for what follows it: it may be nothing but trailers."""

Answering = grpc.aio.StreamStreamCall[bytes, bytes]

_BROKEN_WRITE = (AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError, grpc.aio.InternalError)


class Streaming:
    """Carries streams; `door` decides them, `mirrors` copies them."""

    def __init__(self, door: Door, mirrors: Mirrors) -> None:
        self._door = door
        self._mirrors = mirrors

    async def serve(self, method: str, _requests: AsyncIterator[bytes], context: Context) -> None:
        """Any number of messages each way."""
        limits = self._door.limits
        if not limits.enter():
            await refuse(self._door, context, overloaded("in_flight"), None)
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._open_stream(method, context, tasks)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            limits.leave()

    async def _open_stream(self, method: str, context: Context, tasks: asyncio.TaskGroup) -> None:
        requests = Requests(context, tasks)
        in_force = self._door.in_force()
        first = None
        metadata = tuple(context.invocation_metadata() or ())
        if in_force is not None and in_force.table.needs_message(method, metadata):
            first = await requests.first()
        try:
            call = decide(self._door, method, context, first)
        except Refused as refused:
            requests.stop()
            await refuse(self._door, context, refused, None)
            return
        if not self._door.limits.enter_variant(call.variant.name):
            requests.stop()
            await refuse(self._door, context, overloaded("in_flight_per_variant"), call)
            return
        try:
            await self._carry(call, requests, context, tasks)
        except Refused as refused:
            await refuse(self._door, context, refused, call)
        finally:
            requests.stop()
            self._door.limits.leave_variant(call.variant.name)

    async def _carry(
        self, call: Call, requests: Requests, context: Context, tasks: asyncio.TaskGroup
    ) -> None:
        upstream = await self._connected(call, context)
        copies: list[Copy] = []
        kept = Kept(call.route.mirror_bytes, self._mirrors.limits)
        requests.keep(-1 if call.marked else call.route.mirror_bytes, self._mirrors.limits)
        answer: Answer | None = None
        writing = tasks.create_task(self._pump(call, requests, upstream, copies), name="requests")
        try:
            ending = await self._relay_answers(call, upstream, context, kept, tasks)
            is_connected = call.address is not None and call.address.connected is True
            was_taken = ending.was_taken(is_connected=is_connected)
            if was_taken:
                # The answer may have overtaken the caller's half-close.
                self._offer(call, requests, copies, has_ended=True)
            answers = kept.parts
            was_kept = was_taken and answers is not None
            answer = Answer(ending.code.name, answers or ()) if was_kept else UNCOMPARED
        finally:
            writing.cancel()
            requests.forget()
            kept.forget()
            self._mirrors.settle(copies, answer)

    async def _connected(self, call: Call, context: Context) -> Answering:
        """The call begun, where possible at an address that is there; no message was taken yet."""
        upstream = _begin(call, await placed(self._door, call))
        try:
            await upstream.wait_for_connection()
        except AioRpcError as error:
            again = elsewhere(self._door, call, error)
            return upstream if again is None else _begin(call, again)
        except asyncio.CancelledError:
            upstream.cancel()
            self._door.close(call, code_of_cancellation(context.time_remaining(), call.allowed))
            raise
        return upstream

    async def _pump(self, call: Call, requests: Requests, upstream: Answering, copies: list[Copy]) -> None:
        """The caller's messages to the model server. Who reads the answers owns the status: a write that
        comes too late ends this, nothing else.
        """
        try:
            while (message := await requests.next()) is not None:
                await write(upstream, message)
            await upstream.done_writing()
        except _BROKEN_WRITE:
            return
        self._offer(call, requests, copies, has_ended=False)

    def _offer(self, call: Call, requests: Requests, copies: list[Copy], *, has_ended: bool) -> None:
        """Copy a call of one request, or one that has ended."""
        if not call.route.mirrors or not (has_ended or requests.is_single):
            return
        taken = requests.take()
        if taken is not None:
            copies += self._mirrors.offer(call, *taken)

    async def _relay_answers(
        self,
        call: Call,
        upstream: Answering,
        context: Context,
        kept: Kept,
        tasks: asyncio.TaskGroup,
    ) -> Ending:
        """Pass on everything that comes back, and the status; returns how it ended."""
        code = "CANCELLED"
        try:
            initial = received(await upstream.initial_metadata())
            reading = tasks.create_task(_read(upstream), name="answer")
            if not initial:
                await asyncio.wait([reading], timeout=TRAILERS_GRACE)
            is_open = bool(initial) or not reading.done() or reading.result() is not None
            if is_open:
                await context.send_initial_metadata(answered(call, initial))
            message = await reading
            while message is not None:
                kept.add(message)
                await context.write(message)
                message = await _read(upstream)
            trailing = received(await upstream.trailing_metadata())
            status, details = await upstream.code(), await upstream.details()
            ending = ending_of(status, details, trailing, over=is_over(upstream))
            code = ending.code.name
            await answer_error(context, ending, None if is_open else call, ())
        except asyncio.CancelledError:
            upstream.cancel()
            code = code_of_cancellation(context.time_remaining(), call.allowed)
            raise
        finally:
            self._door.close(call, code)
        return ending


def _begin(call: Call, address: Address) -> Answering:
    return address.counted(address.stream(call.method)(timeout=call.timeout, metadata=forwarded(call)))


async def _read(upstream: Answering) -> bytes | None:
    try:
        message = await upstream.read()
    except AioRpcError:
        return None
    return None if message is EOF else message  # type: ignore[return-value]  # EOF's type hides in the stubs
