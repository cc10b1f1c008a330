"""The `ConfigDiscovery` service: one task reads a stream's answers, one writes what is newer."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
from understudy.checks.names import check_name
from understudy.v1 import discovery_pb2, discovery_pb2_grpc

from control.clock import Clock
from control.delivery.board import Board
from control.delivery.fleet import Answer, Fleet
from control.delivery.leadership import Leadership
from control.delivery.subscription import Subscription
from control.store.evidence import STORABLE

logger = logging.getLogger(__name__)

Stream = grpc.aio.ServicerContext[discovery_pb2.SubscribeRequest, discovery_pb2.SubscribeResponse]


class Discovery(discovery_pb2_grpc.ConfigDiscoveryServicer):
    """Serves every sidecar's stream until `stop`."""

    def __init__(self, board: Board, fleet: Fleet, leadership: Leadership, clock: Clock) -> None:
        self._board = board
        self._leadership = leadership
        self._fleet = fleet
        self._clock = clock
        self._stopping = False

    def stop(self) -> None:
        """End every stream; sidecars keep what they have and come back."""
        self._stopping = True
        self._board.changes.announce()

    async def Subscribe(  # type: ignore[override]  # noqa: N802 - grpc.aio's reading and writing style
        self, request_iterator: AsyncIterator[discovery_pb2.SubscribeRequest], context: Any
    ) -> None:
        """Serve one stream, from its first message to its end."""
        stream: Stream = context
        first = await anext(aiter(request_iterator), None)
        if first is None:
            return
        if problem := _problem(first):
            await stream.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        in_force = (first.epoch, first.version)
        sidecar = self._fleet.connect(first.service, first.node, first.boot_id, in_force, self._clock.wall())
        subscription = Subscription(sidecar)
        self._look(subscription)
        self._log_connected(subscription)
        try:
            await stream.send_initial_metadata(())  # says "connected" where there is nothing to push yet
            await self._serve(subscription, request_iterator, stream)
        finally:
            self._fleet.disconnect(sidecar)
            if sidecar.is_ahead:
                self._board.changes.announce()  # the others of its service may be led again
            logger.info("sidecar disconnected", extra=_names(subscription))

    async def _serve(
        self,
        subscription: Subscription,
        requests: AsyncIterator[discovery_pb2.SubscribeRequest],
        stream: Stream,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            both = (
                tasks.create_task(self._read(subscription, requests), name="answers"),
                tasks.create_task(self._write(subscription, stream), name="pushes"),
            )
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()

    async def _read(
        self, subscription: Subscription, requests: AsyncIterator[discovery_pb2.SubscribeRequest]
    ) -> None:
        async for request in requests:
            answer = subscription.take(request, self._clock.wall())
            if answer is Answer.NACK:
                error = {"error": subscription.sidecar.error}
                logger.warning("sidecar refused a snapshot", extra=_names(subscription) | error)
            self._fleet.changes.announce()

    async def _write(self, subscription: Subscription, stream: Stream) -> None:
        while not self._stopping:
            seen = self._board.changes.count
            snapshot = self._look(subscription)
            is_led = snapshot is not None and not self._leadership.trouble(subscription.sidecar.service)
            response = subscription.offer(snapshot) if snapshot and is_led else None
            self._fleet.changes.announce()
            if response is not None and not await _written(stream, response):
                return
            await self._board.changes.after(seen)

    def _look(self, subscription: Subscription) -> discovery_pb2.Snapshot | None:
        """The newest of its service, with which the sidecar was compared."""
        snapshot = self._board.newest(subscription.sidecar.service)
        subscription.look((snapshot.epoch, snapshot.version) if snapshot else (self._board.epoch, 0))
        return snapshot

    def _log_connected(self, subscription: Subscription) -> None:
        logger.info("sidecar connected", extra=_names(subscription))
        if subscription.sidecar.is_ahead:
            epochs = {"epoch": self._board.epoch, "its_epoch": subscription.sidecar.in_force[0]}
            text = "a sidecar runs what is newer than all there is here: the store is older than the fleet"
            logger.error(text, extra=_names(subscription) | epochs)


async def _written(stream: Stream, response: discovery_pb2.SubscribeResponse) -> bool:
    """False: the sidecar is gone."""
    try:
        await stream.write(response)
    except grpc.aio.BaseError:
        return False
    return True


def _names(subscription: Subscription) -> dict[str, object]:
    return {"node": subscription.sidecar.node, "service": subscription.sidecar.service}


def _problem(first: discovery_pb2.SubscribeRequest) -> str:
    if not first.node:
        return "node: is required in the first message of a stream"
    if not first.boot_id:
        return "boot_id: is required in the first message of a stream"
    if max(first.epoch, first.version) >= STORABLE:
        return "epoch, version: must be below 2^63"
    return "; ".join(str(found) for found in check_name(first.service, "service"))
