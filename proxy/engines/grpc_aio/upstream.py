"""One channel to a variant's target, and whether it answers."""

import asyncio

import grpc
from grpc import ChannelConnectivity

from proxy.engines.engine import Liveness
from proxy.engines.grpc_aio.options import channel
from proxy.policy.table import Variant

UNLIMITED = -1


class Upstream:
    """A channel that keeps itself connected, over raw bytes.

    `live` is False from a failed connection until the next one that stands; None before the first try ended.
    """

    def __init__(self, variant: Variant, max_receive: int = UNLIMITED) -> None:
        self.target = variant.target
        self.liveness = Liveness(None, "not connected yet")
        self._channel = grpc.aio.insecure_channel(
            variant.target, options=channel(variant.authority, max_receive)
        )
        self._unary: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._watching: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Upstream {self.target} live={self.liveness.live}>"

    def unary(self, method: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
        """One message each way."""
        known = self._unary.get(method)
        if known is None:
            known = self._channel.unary_unary(method)
            if len(self._unary) < 256:  # callers choose method names
                self._unary[method] = known
        return known

    def unary_stream(self, method: str) -> grpc.aio.UnaryStreamMultiCallable[bytes, bytes]:
        """One message there, any number back."""
        return self._channel.unary_stream(method)

    def stream(self, method: str) -> grpc.aio.StreamStreamMultiCallable[bytes, bytes]:
        """Any number of messages each way."""
        return self._channel.stream_stream(method)

    async def watch(self) -> None:
        """Follow the channel's state until it is closed, and keep it connected."""
        self._watching = asyncio.current_task()
        state = self._channel.get_state(try_to_connect=True)
        while state is not ChannelConnectivity.SHUTDOWN:
            if state is ChannelConnectivity.READY:
                self.liveness = Liveness(live=True)
            elif state is ChannelConnectivity.TRANSIENT_FAILURE:
                self.liveness = Liveness(live=False, reason=f"{self.target} does not take connections")
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)

    async def close(self, grace: float | None = None) -> None:
        """Close after the calls in flight, or after `grace` seconds.

        The watch ends first: a channel that is closing takes no more watches, and one that is closed does
        not shut down, or say so, before the last object of a call is gone.
        """
        if self._watching is not None:
            self._watching.cancel()
        await self._channel.close(grace)


async def write(call: "grpc.aio.StreamStreamCall[bytes, bytes]", message: bytes) -> None:
    """Send one message; raises where the call has ended, without a say in how.

    The call's own `write` makes a write that came after the model server's end the call's status, INTERNAL,
    before the real one has arrived (https://github.com/grpc/grpc/issues/36066). So this goes below it.
    """
    await call.wait_for_connection()
    below = call._cython_call  # type: ignore[attr-defined]  # noqa: SLF001  # has no public name
    await below.send_serialized_message(message)
