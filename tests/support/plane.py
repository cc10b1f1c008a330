"""A control service inside this process, on free ports, with its clients."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from understudy.v1 import (
    control_pb2,
    rollout_pb2,
    rollouts_pb2,
    rollouts_pb2_grpc,
    service_pb2,
    services_pb2,
    services_pb2_grpc,
)

from control.process import Config, Listening, running
from tests.support.clock import ManualClock
from tests.support.eventually import DEADLINE
from tests.support.rollouts import make_service

T = TypeVar("T")


@dataclass(frozen=True)
class Plane:
    """A running control service as its clients see it."""

    listening: Listening
    clock: ManualClock
    services: Any
    rollouts: Any

    @property
    def address(self) -> str:
        return self.listening.grpc

    async def apply(
        self, service: service_pb2.Service | None = None, **fields: Any
    ) -> services_pb2.ServiceStatus:
        request = services_pb2.ApplyRequest(service=service or make_service(), **fields)
        return (await self.services.Apply(request)).service

    async def start(self, rollout: rollout_pb2.Rollout) -> str:
        answer = await self.rollouts.Start(rollouts_pb2.StartRequest(rollout=rollout))
        return answer.rollout.rollout.name

    async def service(self, name: str = "fraud") -> services_pb2.ServiceStatus:
        return (await self.services.Get(services_pb2.ServicesGetRequest(name=name))).service

    async def rollout(self, name: str = "fraud-v2-1") -> rollouts_pb2.RolloutStatus:
        return (await self.rollouts.Get(rollouts_pb2.RolloutsGetRequest(name=name))).rollout

    async def transitions(self, name: str = "fraud-v2-1") -> list[rollouts_pb2.Transition]:
        answer = await self.rollouts.Explain(rollouts_pb2.ExplainRequest(name=name))
        return list(answer.transitions)

    async def sidecars(self) -> list[services_pb2.SidecarStatus]:
        return list((await self.services.ListSidecars(services_pb2.ListSidecarsRequest())).sidecars)

    async def until(
        self, condition: Callable[[rollouts_pb2.RolloutStatus], bool], name: str = "fraud-v2-1"
    ) -> rollouts_pb2.RolloutStatus:
        """The rollout as soon as it stands as it should."""

        async def look() -> rollouts_pb2.RolloutStatus | None:
            status = await self.rollout(name)
            return status if condition(status) else None

        return await until(look)

    async def stage(
        self, stage: str, state: str = "baking", name: str = "fraud-v2-1"
    ) -> rollouts_pb2.RolloutStatus:
        """The rollout as soon as this stage of it stands like this."""
        return await self.until(
            lambda status: any(each.stage.name == stage and each.state == state for each in status.stages),
            name,
        )

    async def bake(self, name: str, seconds: float) -> rollouts_pb2.RolloutStatus:
        """Let a stage bake: the rollout once its clock has run that long, or has stopped."""
        before = await self.stage(name)
        index = [each.stage.name for each in before.stages].index(name)
        elapsed = before.stages[index].elapsed.ToTimedelta().total_seconds()
        self.clock.advance(seconds)
        return await self.until(
            lambda status: (
                status.stages[index].state != "baking"
                or status.stages[index].elapsed.ToTimedelta().total_seconds() >= elapsed + seconds
            )
        )


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """What `look` gives as soon as it is anything."""
    async with asyncio.timeout(DEADLINE):
        while (found := await look()) is None:  # noqa: ASYNC110 - a port tells nothing by itself
            await asyncio.sleep(0.005)
    return found


@contextlib.asynccontextmanager
async def control_plane(
    directory: pathlib.Path, clock: ManualClock | None = None, secrets: Sequence[bytes] = (), **fields: Any
) -> AsyncIterator[Plane]:
    """A control service over the database in `directory`."""
    message = control_pb2.Control(
        listen="127.0.0.1:0",
        http="127.0.0.1:0",
        store=f"sqlite:///{directory}/understudy.db",
        **fields,
    )
    clock = clock or ManualClock()
    async with (
        running(Config.from_proto(message, secrets), clock, tick=0.005) as listening,
        grpc.aio.insecure_channel(listening.grpc, [("grpc.enable_http_proxy", 0)]) as channel,
    ):
        services = services_pb2_grpc.ServicesStub(channel)
        yield Plane(listening, clock, services, rollouts_pb2_grpc.RolloutsStub(channel))
