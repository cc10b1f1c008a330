"""An operator and a sidecar who see a canary through to its rollback, however often the control service dies.

What was answered is remembered: whoever comes back must still know it. `acknowledge` is told at once of each.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from understudy.v1 import (
    discovery_pb2,
    rollout_pb2,
    rollouts_pb2,
    rollouts_pb2_grpc,
    services_pb2,
    services_pb2_grpc,
    telemetry_pb2,
)

from tests.support.fake_sidecar import FakeSidecar, live
from tests.support.rollouts import make_rollout, make_service

NAME = "fraud-v2-1"
EVENTS = ["started", "stage", "stage", "rolled_back"]
STAGES = [0, 1, 2, 2]
CANARY = {"initial_percent": 10, "increment_percent": 20, "interval": "0.15s", "max_percent": 50}
REQUIRE = ["error_rate <= 5%", "latency_p99 < 200ms"]
GOOD_UP_TO = 30.0  # of the weights, in which others have a fifth; beyond, the candidate fails
BETWEEN_REPORTS = 0.04

Acknowledge = Callable[[str, Any], None]


def the_rollout() -> rollout_pb2.Rollout:
    return make_rollout(name=NAME, gate="threshold", canary={**CANARY, "require": REQUIRE})


@dataclass
class WholeRun:
    """What outlives the control service."""

    acknowledge: Acknowledge = lambda _what, _value: None
    in_force: tuple[int, int] = (0, 0)
    sequence: int = 0
    unanswered: telemetry_pb2.TelemetryReportRequest | None = None
    applied: int = 0  # the version of the service that was answered; 0: none was
    started: bool = False
    audit: list[rollouts_pb2.Transition] = field(default_factory=list)
    percent: float = 0.0
    is_over: bool = False

    async def go_on(self, address: str) -> bool:
        """Until the rollout is over (True), or the control service is gone."""
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            with gone():
                await self._begin(channel)
                await self._see_through(channel)
        return self.is_over

    async def _see_through(self, channel: grpc.aio.Channel) -> None:
        sidecar = FakeSidecar(channel, in_force=self.in_force, answers=self._take)
        async with asyncio.TaskGroup() as tasks:
            stream = tasks.create_task(_unless_gone(sidecar.run()))
            reporting = tasks.create_task(_unless_gone(self._report(sidecar)))
            watching = tasks.create_task(_unless_gone(self._watch(channel)))
            await asyncio.wait([stream, watching], return_when=asyncio.FIRST_COMPLETED)
            sidecar.hang_up()
            for task in (reporting, watching):
                task.cancel()
            await asyncio.wait([stream], timeout=2)
            stream.cancel()

    async def _begin(self, channel: grpc.aio.Channel) -> None:
        """Ask for what was not answered yet; look whether what was answered is there."""
        services, rollouts = services_pb2_grpc.ServicesStub(channel), rollouts_pb2_grpc.RolloutsStub(channel)
        if self.applied:
            found = await services.Get(services_pb2.ServicesGetRequest(name="fraud"))
            assert found.service.version >= self.applied
        else:
            answer = await services.Apply(
                services_pb2.ApplyRequest(service=make_service(), abort_rollout=True)
            )
            self.applied = answer.service.version
            self.acknowledge("service", self.applied)
        if self.started:
            await rollouts.Get(rollouts_pb2.RolloutsGetRequest(name=NAME))
            return
        try:
            await rollouts.Start(rollouts_pb2.StartRequest(rollout=the_rollout()))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
        self.started = True
        self.acknowledge("rollout", NAME)

    def _take(self, snapshot: discovery_pb2.Snapshot) -> None:
        """As a sidecar does: only what is newer comes, and what came was written down before."""
        newer = (snapshot.epoch, snapshot.version)
        assert newer > self.in_force
        self.in_force = newer
        weights = {route.name: route.split.weights for route in snapshot.service.routes}["predict"]
        self.percent = weights.get("v2", 0.0)
        self.acknowledge("pushed", newer)

    async def _report(self, sidecar: FakeSidecar) -> None:
        """A report that was not answered is sent again, as it was."""
        while True:
            if self.unanswered is not None:
                await sidecar.send(self.unanswered)
                self.acknowledge("report", self.unanswered.sequence)
                self.unanswered = None
            elif self.in_force != (0, 0):
                errors = 60 if self.percent > GOOD_UP_TO else 0
                self.sequence += 1
                self.unanswered = sidecar.compose(self.sequence, live("v1"), live("v2", errors=errors))
                continue
            await asyncio.sleep(BETWEEN_REPORTS)

    async def _watch(self, channel: grpc.aio.Channel) -> None:
        """Look at the audit until the rollout is over and the sidecar has what came of it."""
        rollouts = rollouts_pb2_grpc.RolloutsStub(channel)
        while True:
            status = (await rollouts.Get(rollouts_pb2.RolloutsGetRequest(name=NAME))).rollout
            audit = list((await rollouts.Explain(rollouts_pb2.ExplainRequest(name=NAME))).transitions)
            assert audit[: len(self.audit)] == self.audit, "what was seen of the audit is gone"
            if len(audit) > len(self.audit):
                self.audit = audit
                self.acknowledge("transition", len(audit))
            if status.HasField("ended_at") and self.in_force[1] >= status.version and not status.unconfirmed:
                self.is_over = True
                return
            await asyncio.sleep(BETWEEN_REPORTS)

    def check(self, service: services_pb2.ServiceStatus) -> None:
        """However it went: the end that a run without a crash has, every step once, none left out."""
        assert [step.sequence for step in self.audit] == [1, 2, 3, 4], self.audit
        assert [step.event for step in self.audit] == EVENTS
        assert [step.to_stage for step in self.audit] == STAGES
        assert self.audit[-1].to_phase == "RolledBack"
        pushed = [(step.epoch, step.version) for step in self.audit]
        assert pushed == sorted(set(pushed))
        assert service.service == make_service()
        assert self.percent == 0.0


@contextlib.contextmanager
def gone() -> Iterator[None]:
    """The control service may die at any moment; nothing else may go wrong."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.UNAVAILABLE, error  # noqa: PT017 - other errors fail as well


async def _unless_gone(talk: Awaitable[None]) -> None:
    with gone():
        await talk
