"""One channel to a variant's target, and whether it answers."""

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
        state = self._channel.get_state(try_to_connect=True)
        while state is not ChannelConnectivity.SHUTDOWN:
            if state is ChannelConnectivity.READY:
                self.liveness = Liveness(live=True)
            elif state is ChannelConnectivity.TRANSIENT_FAILURE:
                self.liveness = Liveness(live=False, reason=f"{self.target} does not take connections")
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)

    async def close(self, grace: float | None = None) -> None:
        """Close after the calls in flight, or after `grace` seconds."""
        await self._channel.close(grace)
