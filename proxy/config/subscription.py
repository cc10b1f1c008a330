"""The stream to the control service: snapshots in, ACKs and NACKs out.

Reads as its states: connect and follow until the stream ends, then wait and begin again. A stream that
brought something before it ended is no failure (gRFC A57); one that brought nothing is, and backs off.
Losing the control service never changes what is in force.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
from understudy.v1 import discovery_pb2, discovery_pb2_grpc

from proxy.config.acceptance import Refusal, accept
from proxy.config.backoff import Backoff
from proxy.policy.table import Table

_log = logging.getLogger(__name__)

CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A control service that vanished without a word is noticed in half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class Subscription:
    """Keeps one service's table up to date; `apply` brings one into force and keeps it, or raises Refusal."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        service: str,
        node: str,
        boot_id: str,
        in_force: Callable[[], Table | None],
        apply: Callable[[Table], Awaitable[None]],
    ) -> None:
        self._stub = discovery_pb2_grpc.ConfigDiscoveryStub(channel)
        self._service = service
        self._node = node
        self._boot_id = boot_id
        self._in_force = in_force
        self._apply = apply
        self.connected = False
        self.rejected = 0
        self.applied_at: float | None = None  # monotonic

    def __repr__(self) -> str:
        state = "connected" if self.connected else "disconnected"
        return f"<Subscription {self._service} as {self._node}, {state}, {self.rejected} rejected>"

    async def run(self) -> None:
        """Follow the control service for ever."""
        backoff = Backoff(0.1, 5.0)
        while True:
            try:
                if await self._follow():
                    backoff.reset()
            except grpc.aio.AioRpcError as error:
                extra = {"code": error.code().name, "details": error.details()}
                _log.info("control service lost", extra=extra)
            self.connected = False
            await asyncio.sleep(backoff.next(random.random()))  # noqa: S311  # not a secret

    async def _follow(self) -> bool:
        """One stream from its beginning to its end; whether it brought anything."""
        answers: asyncio.Queue[discovery_pb2.SubscribeRequest | None] = asyncio.Queue()
        answers.put_nowait(self._answer(""))
        stream = self._stub.Subscribe(_drain(answers))
        brought = False
        try:
            await stream.initial_metadata()
            self.connected = True
            async for response in stream:
                brought = True
                answers.put_nowait(await self._take(response))
        except grpc.aio.AioRpcError:
            if not brought:
                raise
        finally:
            answers.put_nowait(None)  # gRPC's own task waits for more, even after the stream's end
            stream.cancel()
        return brought

    async def _take(self, response: discovery_pb2.SubscribeResponse) -> discovery_pb2.SubscribeRequest:
        """Bring a snapshot into force and confirm it, or say why not."""
        at = {"epoch": response.snapshot.epoch, "version": response.snapshot.version}
        try:
            table = accept(response.snapshot, self._service, self._in_force())
            if table is not None:
                await self._apply(table)
        except Refusal as refusal:
            self.rejected += 1
            _log.warning("snapshot refused", extra={**at, "reason": str(refusal)})
            return self._answer(response.nonce, refusal)
        if table is not None:
            self.applied_at = time.monotonic()
            _log.info("snapshot in force", extra=at)
        return self._answer(response.nonce)

    def _answer(self, nonce: str, refusal: Refusal | None = None) -> discovery_pb2.SubscribeRequest:
        table = self._in_force()
        return discovery_pb2.SubscribeRequest(
            node=self._node,
            service=self._service,
            boot_id=self._boot_id,
            epoch=table.epoch if table else 0,
            version=table.version if table else 0,
            nonce=nonce,
            error_detail=refusal.detail() if refusal else None,
        )


async def _drain(
    answers: "asyncio.Queue[discovery_pb2.SubscribeRequest | None]",
) -> AsyncIterator[discovery_pb2.SubscribeRequest]:
    while (answer := await answers.get()) is not None:
        yield answer
