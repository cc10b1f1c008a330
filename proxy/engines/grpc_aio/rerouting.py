"""Where a call goes, and where next if gRPC says that it reached nobody."""

import asyncio
import time

import grpc

from proxy.engines.calls import Refused
from proxy.engines.grpc_aio.address import Address
from proxy.engines.grpc_aio.call import Call, Door
from proxy.engines.rerouting import moved


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
            raise Refused("UNAVAILABLE", "no live upstream", "no_live_upstream")
    return call.address


def elsewhere(door: Door, call: Call, error: grpc.aio.AioRpcError) -> Address | None:
    """The next address for a call that failed; None where it may have arrived, or was moved already."""
    address = call.address
    if address is None or not address.never_reached(error.code(), error.details()):
        return None
    return moved(door, call, time.perf_counter())
