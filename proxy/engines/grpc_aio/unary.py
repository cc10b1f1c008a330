"""The hot path: a unary call from the caller to a model server and back, in gRPC's cheapest handlers."""

import asyncio

import grpc
from grpc.aio import AioRpcError

from proxy.compare.answers import Answer
from proxy.engines.calls import Refused, overloaded
from proxy.engines.copies import UNCOMPARED
from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.call import Call, Context, Door, answer_error, decide, refuse
from proxy.engines.grpc_aio.failures import ending_of, is_over
from proxy.engines.grpc_aio.metadata import answered, forwarded, received
from proxy.engines.grpc_aio.rerouting import elsewhere, placed
from proxy.engines.mirror import Mirrors
from proxy.policy.deadlines import code_of_cancellation


class Unary:
    """Carries calls of one message each way; `door` decides them, `mirrors` copies them."""

    def __init__(self, door: Door, mirrors: Mirrors) -> None:
        self._door = door
        self._mirrors = mirrors

    async def serve(self, method: str, request: bytes, context: Context) -> bytes:
        """One call."""
        limits = self._door.limits
        if not limits.enter():
            await refuse(self._door, context, overloaded("in_flight"), None)
            return b""
        call: Call | None = None
        try:
            call = decide(self._door, method, context, request)
            if not limits.enter_variant(call.variant.name):
                await refuse(self._door, context, overloaded("in_flight_per_variant"), call)
                return b""
            try:
                return await self._carry(call, request, context)
            finally:
                limits.leave_variant(call.variant.name)
        except Refused as refused:
            await refuse(self._door, context, refused, call)
            return b""
        finally:
            limits.leave()

    async def _carry(self, call: Call, request: bytes, context: Context) -> bytes:
        code = "CANCELLED"
        response = b""
        answer: Answer | None = None
        upstream = _begin(call, await placed(self._door, call), request)
        # As long as nobody is connected, nobody may be there to take the call: then it is not copied.
        copies = self._mirrors.offer(call, (request,), len(request)) if _is_connected(call) else None
        try:
            try:
                response = await upstream
            except AioRpcError as error:
                again = elsewhere(self._door, call, error)
                if again is None:
                    raise
                upstream = _begin(call, again, request)
                response = await upstream
            await context.send_initial_metadata(answered(call, received(await upstream.initial_metadata())))
            context.set_trailing_metadata(tuple(received(await upstream.trailing_metadata())))
            code, answer = "OK", Answer("OK", (response,))
            if call.address is not None:
                call.address.answered()
        except AioRpcError as error:
            trailing = received(error.trailing_metadata())
            ending = ending_of(error.code(), error.details(), trailing, over=is_over(upstream))
            code = ending.code.name
            answer = Answer(code) if ending.was_taken(is_connected=_is_connected(call)) else UNCOMPARED
            await answer_error(context, ending, call, received(error.initial_metadata()))
        except asyncio.CancelledError:
            upstream.cancel()
            code = code_of_cancellation(context.time_remaining(), call.allowed)
            raise
        finally:
            self._door.close(call, code)
            if copies is None and answer not in (None, UNCOMPARED):
                copies = self._mirrors.offer(call, (request,), len(request))
            self._mirrors.settle(copies or [], answer)
        return response


def _is_connected(call: Call) -> bool:
    return call.address is not None and call.address.connected is True


def _begin(call: Call, address: Address, request: bytes) -> "grpc.aio.UnaryUnaryCall[bytes, bytes]":
    begun = address.unary(call.method)(request, timeout=call.timeout, metadata=forwarded(call))
    return address.counted(begun)
