"""What gRPC's handlers ask of a call: to decide it by its context, and to answer in its place."""

import time
from typing import Any

import grpc

from proxy.engines import calls, door
from proxy.engines.calls import ERROR_KEY, Refused
from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.failures import Ending
from proxy.engines.grpc_aio.metadata import answered
from proxy.policy.matching import Metadata

Context = grpc.aio.ServicerContext[Any, Any]
Call = calls.Call[Address]
Door = door.Door[Address]


def decide(at: Door, method: str, context: Context, request: bytes | None) -> Call:
    """Decide a call that `limits` let in; raises Refused. `request` is its first message, if known."""
    started = time.perf_counter()
    metadata: Metadata = tuple(context.invocation_metadata() or ())
    allowed = context.time_remaining()
    return at.open(method, metadata, request, allowed=allowed, peer=context.peer, started=started)


async def answer_error(context: Context, ending: Ending, call: Call | None, initial: Metadata) -> None:
    """Tell the caller how its call ended. Nothing but trailers stays nothing but trailers.

    By setting, never by `context.abort`: grpc.aio's graceful stop does not wait for aborted handlers
    (https://github.com/grpc/grpc/issues/37239).
    """
    trailing = list(ending.trailing)
    if ending.reason:
        trailing.append((ERROR_KEY, ending.reason))
    if initial and call is not None:
        await context.send_initial_metadata(answered(call, initial))
    elif call is not None:
        trailing = answered(call, trailing)
    context.set_code(ending.code)
    context.set_details(ending.details)
    context.set_trailing_metadata(tuple(trailing))


async def refuse(at: Door, context: Context, refused: Refused, call: Call | None) -> None:
    """Answer a call that no model server sees."""
    at.ledger.refused(refused.reason)
    if call is not None:
        at.close(call, refused.code)
    ending = Ending(grpc.StatusCode[refused.code], refused.details, (), refused.reason)
    await answer_error(context, ending, None, ())
