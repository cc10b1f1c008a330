"""One address of a target: a channel of its own, and what calls and connections met there.

With TLS it gets a new channel when its files have changed, as soon as that stands, or once the one before
does not any more; calls under way end on the one that they began on.
"""

import asyncio
import logging
import time
from typing import TypeVar

import grpc
from grpc import ChannelConnectivity

from proxy.engines.grpc_aio.credentials import of_channel
from proxy.engines.grpc_aio.options import channel
from proxy.policy.balancing import HEALTHY, Health
from proxy.tls.keyring import Security
from proxy.tls.probe import why_not

C = TypeVar("C", bound=grpc.aio.Call)

LOOK = 1.0
"""Seconds between two looks at why there is no TLS: a channel that keeps failing does not say so again."""

FOR_EVER = 365 * 86400.0
"""Seconds that calls may take on a channel that another has followed."""

_log = logging.getLogger(__name__)

_TRANSIENT = (ChannelConnectivity.TRANSIENT_FAILURE, ChannelConnectivity.CONNECTING)


class Address:
    """A channel that keeps itself connected, over raw bytes; gRPC core tries again with growing pauses.

    `connected` is False from a failed connection until the next one that stands; None before the first try
    ended. `lost` is set whenever a connection fails.
    """

    def __init__(
        self,
        name: str,
        authority: str,
        max_receive: int,
        lost: asyncio.Event,
        security: Security | None = None,
    ) -> None:
        self.name = name
        self.problem = ""
        self.in_flight = 0
        self.connected: bool | None = None
        self.health: Health = HEALTHY
        self._security = security
        self._options = channel(authority, max_receive, security.server_name if security else "")
        self._channel = self._open()
        self._others: list[grpc.aio.Channel] = []  # yet to take over, or with calls from before another did
        self._unary: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._lost = lost

    def __repr__(self) -> str:
        return f"<Address {self.name} connected={self.connected} in_flight={self.in_flight} {self.health}>"

    @property
    def is_fine(self) -> bool:
        """Connected, and nothing is held against it."""
        return self.connected is True and self.health is HEALTHY

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

    def counted(self, call: C) -> C:
        """A call that was begun here, in flight until it ends."""
        self.in_flight += 1
        call.add_done_callback(self._ended)
        return call

    def answered(self) -> None:
        """A call was answered."""
        if self.health is not HEALTHY:
            self.health = HEALTHY

    def never_reached(self, code: grpc.StatusCode, details: str | None) -> bool:
        """Whether a call failed for want of a connection, and so was surely sent to nobody; it counts.

        grpc.aio says so by its text only, which a model server may have from a client of its own. So it has
        to name this address, and the connection must not stand.
        """
        if code is not grpc.StatusCode.UNAVAILABLE or not details:
            return False
        text = details.lower().replace("%5b", "[").replace("%5d", "]")
        if "failed to connect" not in text or self.name.lower() not in text:
            return False
        if self._channel.get_state() not in _TRANSIENT:
            return False
        self.health = self.health.failed(time.monotonic())
        return True

    async def watch(self) -> None:
        """Follow the channel's state until it is closed, and keep it connected."""
        self._watching = asyncio.current_task()
        if self._security is None:
            await self._follow()
            return
        async with asyncio.TaskGroup() as tasks:
            credential = self._security.credential
            version = credential.version
            following = tasks.create_task(self._follow(), name=f"follow {self.name}")
            tasks.create_task(self._look(self._security), name=f"look at {self.name}")
            while True:
                await credential.newer_than(version)
                version = credential.version
                fresh = self._open()
                self._others.append(fresh)
                await self._until_it_can_take_over(fresh, version)
                if credential.version != version:
                    await self._retire(fresh)
                    continue
                following.cancel()
                before, self._channel = self._channel, fresh
                self._unary.clear()
                self._others.remove(fresh)
                self._others.append(before)
                following = tasks.create_task(self._follow(), name=f"follow {self.name}")
                tasks.create_task(self._retire(before), name=f"retire {self.name}")

    async def _follow(self) -> None:
        state = self._channel.get_state(try_to_connect=True)
        while state is not ChannelConnectivity.SHUTDOWN:
            if state is ChannelConnectivity.READY:
                if self.connected is False:
                    self.health = HEALTHY
                self.connected = True
                self.problem = ""
            elif state is ChannelConnectivity.TRANSIENT_FAILURE:
                self.connected = False
                self._lost.set()
                if self._security is not None:
                    await self._explain(self._security)
            await self._channel.wait_for_state_change(state)
            state = self._channel.get_state(try_to_connect=True)

    async def _look(self, security: Security) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if self.connected is False:
                await self._explain(security)

    async def _until_it_can_take_over(self, fresh: grpc.aio.Channel, version: int) -> None:
        """Until it stands, or the channel before does not; or the files have changed once more."""
        assert self._security is not None  # noqa: S101  # nothing is renewed without
        state = fresh.get_state(try_to_connect=True)
        while state is not ChannelConnectivity.READY and self.connected:
            if self._security.credential.version != version:
                return
            if state is ChannelConnectivity.TRANSIENT_FAILURE:
                await self._explain(self._security)
            await fresh.wait_for_state_change(state)
            state = fresh.get_state(try_to_connect=True)

    async def _explain(self, security: Security) -> None:
        """Why there is no TLS: once in the log, and for as long as it lasts where it is asked for."""
        before, self.problem = self.problem, await why_not(self.name, security)
        if self.problem and self.problem != before:
            _log.warning("no TLS connection", extra={"address": self.name, "reason": self.problem})

    async def _retire(self, channel: grpc.aio.Channel) -> None:
        await channel.close(FOR_EVER)
        self._others.remove(channel)

    def _open(self) -> grpc.aio.Channel:
        if self._security is None:
            return grpc.aio.insecure_channel(self.name, options=self._options)
        return grpc.aio.secure_channel(self.name, of_channel(self._security), options=self._options)

    async def close(self, grace: float | None = None) -> None:
        """Close after the calls in flight, or after `grace` seconds.

        The watch ends first: a channel that is closing takes no more watches, and one that is closed does
        not shut down, or say so, before the last object of a call is gone.
        """
        if self._watching is not None:
            self._watching.cancel()
        for other in tuple(self._others):
            await other.close(grace)
        await self._channel.close(grace)

    def _ended(self, _: object) -> None:
        self.in_flight -= 1


async def write(call: "grpc.aio.StreamStreamCall[bytes, bytes]", message: bytes) -> None:
    """Send one message; raises where the call has ended, without a say in how.

    The call's own `write` makes a write that came after the model server's end the call's status, INTERNAL,
    before the real one has arrived (https://github.com/grpc/grpc/issues/36066). So this goes below it.
    """
    await call.wait_for_connection()
    below = call._cython_call  # type: ignore[attr-defined]  # noqa: SLF001  # has no public name
    await below.send_serialized_message(message)
