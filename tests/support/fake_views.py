"""Views that show what a test puts there."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from understudy.v1 import rollouts_pb2, services_pb2

from control.views import Views


@dataclass
class FakeViews(Views):
    """`changed` wakes every reader of `updates`; `end` ends them, as the process's end does.

    `deserted` is set when a reader leaves.
    """

    shown_services: list[services_pb2.ServiceStatus] = field(default_factory=list)
    shown_rollouts: list[rollouts_pb2.RolloutStatus] = field(default_factory=list)
    shown_sidecars: list[services_pb2.SidecarStatus] = field(default_factory=list)
    readers: set[asyncio.Queue[bool]] = field(default_factory=set)
    deserted: asyncio.Event = field(default_factory=asyncio.Event)
    reads: int = 0

    def trouble(self) -> str:
        return ""

    async def services(self) -> list[services_pb2.ServiceStatus]:
        self.reads += 1
        await asyncio.sleep(0)
        return self.shown_services

    async def service(self, name: str) -> services_pb2.ServiceStatus | None:
        return next((each for each in self.shown_services if each.service.name == name), None)

    async def rollouts(self, service: str = "") -> list[rollouts_pb2.RolloutStatus]:
        return [each for each in self.shown_rollouts if service in ("", each.rollout.service)]

    async def rollout(self, name: str) -> rollouts_pb2.RolloutStatus | None:
        return next((each for each in self.shown_rollouts if each.rollout.name == name), None)

    async def transitions(self, rollout: str) -> list[rollouts_pb2.Transition]:
        del rollout
        return []

    async def sidecars(self, service: str = "") -> list[services_pb2.SidecarStatus]:
        return [each for each in self.shown_sidecars if service in ("", each.service)]

    async def shadows(self, service: str, mismatches: int) -> services_pb2.ShadowReportResponse:
        del service, mismatches
        return services_pb2.ShadowReportResponse()

    async def updates(self) -> AsyncIterator[None]:
        queue: asyncio.Queue[bool] = asyncio.Queue()
        self.readers.add(queue)
        try:
            yield
            while await queue.get():
                yield
        finally:
            self.readers.discard(queue)
            self.deserted.set()

    def changed(self) -> None:
        for reader in self.readers:
            reader.put_nowait(True)

    def end(self) -> None:
        for reader in self.readers:
            reader.put_nowait(False)
