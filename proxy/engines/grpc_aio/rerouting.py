"""Where a call goes when its first address was not there to take it.

Tried once more, within its deadline, is only what surely reached nobody: on another address of the variant,
else at the fallback. Everything that may have reached a model server is its caller's to send again.
"""

import asyncio
import time

import grpc

from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.call import Call, Door, Refused
from proxy.policy.deadlines import wire_exact


async def placed(door: Door, call: Call) -> Address:
    """The address of a call; waits only while its target was never looked up. Raises Refused."""
    if call.address is None:
        try:
            async with asyncio.timeout(call.timeout):
                await call.upstream.known()
        except asyncio.CancelledError:
            door.close(call, "CANCELLED")
            raise
        except TimeoutError:
            pass
        call.address = call.upstream.address()
        if call.address is None:
            raise Refused(grpc.StatusCode.UNAVAILABLE, "no live upstream", "no_live_upstream")
    return call.address


def elsewhere(door: Door, call: Call, error: grpc.aio.AioRpcError) -> Address | None:
    """The next address for a call that failed; None where it may have arrived, or was moved already."""
    address = call.address
    if call.is_moved or address is None or not address.never_reached(error.code(), error.details()):
        return None
    if call.timeout is not None:
        rest = call.timeout - (time.perf_counter() - call.started)
        if rest <= 0:
            return None
        call.timeout = wire_exact(rest)
    call.is_moved = True
    found = call.upstream.usable_address(without=address) or _at_fallback(door, call, address)
    call.address = found or address
    return found


def _at_fallback(door: Door, call: Call, dead: Address) -> Address | None:
    """An address of the fallback, which then counts the call as its own to carry."""
    fallback = call.in_force.table.fallback
    upstream = call.in_force.live(fallback)
    found = upstream.usable_address(without=dead)
    if call.variant is fallback or found is None or not door.limits.enter_variant(fallback.name):
        return None
    door.limits.leave_variant(call.variant.name)
    if not call.marked:
        door.ledger.fallback(call.in_force.table, call.route.name, call.intended.name, call.bucket)
    if call.trace is not None:
        call.trace.annotate({"understudy.variant": fallback.name})
    call.variant, call.upstream = fallback, upstream
    return found
