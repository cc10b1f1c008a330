"""A sidecar by script: subscribes, answers each snapshot as told, reports what it is said to have seen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from understudy.v1 import (
    discovery_pb2,
    discovery_pb2_grpc,
    telemetry_pb2,
    telemetry_pb2_grpc,
)

from control.times import to_duration, to_timestamp
from tests.support.eventually import eventually
from tests.support.rollouts import histogram

Answerer = Callable[[discovery_pb2.Snapshot], str | None]


def accept(_snapshot: discovery_pb2.Snapshot) -> None:
    """ACK everything."""


@dataclass
class FakeSidecar:
    """One sidecar process; `answers` says why a snapshot is refused, or None, or "silent" to say nothing."""

    channel: grpc.aio.Channel
    node: str = "pod-1"
    boot_id: str = "boot-1"
    service: str = "fraud"
    answers: Answerer = accept
    in_force: tuple[int, int] = (0, 0)
    received: list[discovery_pb2.SubscribeResponse] = field(default_factory=list)
    outgoing: "asyncio.Queue[discovery_pb2.SubscribeRequest | None]" = field(default_factory=asyncio.Queue)
    sequence: int = 0

    async def run(self) -> None:
        stub = discovery_pb2_grpc.ConfigDiscoveryStub(self.channel)
        self.say()
        async for response in stub.Subscribe(self._requests()):
            self.received.append(response)
            self._answer(response)

    def say(self, nonce: str = "", error: str | None = None) -> None:
        """Send a message on the stream: a subscription, an ACK or a NACK."""
        request = discovery_pb2.SubscribeRequest(
            node=self.node,
            service=self.service,
            boot_id=self.boot_id,
            epoch=self.in_force[0],
            version=self.in_force[1],
            nonce=nonce,
        )
        if error is not None:
            request.error_detail.message = error
        self.outgoing.put_nowait(request)

    def hang_up(self) -> None:
        self.outgoing.put_nowait(None)

    async def has(self, version: int) -> discovery_pb2.Snapshot:
        """The snapshot in force, once it is this one or a later one."""
        await eventually(lambda: self.received and self.in_force[1] >= version)
        return self.received[-1].snapshot

    async def report(
        self, *evidence: telemetry_pb2.Evidence, service: str = "", **fields: Any
    ) -> telemetry_pb2.TelemetryReportRequest:
        """Report what was seen under the snapshot in force; the report, to be sent again."""
        self.sequence += 1
        report = self.compose(self.sequence, *evidence, service=service, **fields)
        await self.send(report)
        return report

    def compose(
        self, sequence: int, *evidence: telemetry_pb2.Evidence, service: str = "", **fields: Any
    ) -> telemetry_pb2.TelemetryReportRequest:
        """A report of what was seen under the snapshot in force."""
        report = telemetry_pb2.TelemetryReportRequest(
            node=self.node,
            boot_id=self.boot_id,
            sequence=sequence,
            service=service or self.service,
            window_start=to_timestamp(sequence),
            window_end=to_timestamp(sequence + 1),
            evidence=evidence,
            **fields,
        )
        for entry in report.evidence:
            if not entry.epoch:
                entry.epoch, entry.version = self.in_force
        return report

    async def send(self, report: telemetry_pb2.TelemetryReportRequest) -> None:
        await telemetry_pb2_grpc.TelemetryStub(self.channel).Report(report)

    async def _requests(self) -> AsyncIterator[discovery_pb2.SubscribeRequest]:
        while (request := await self.outgoing.get()) is not None:
            yield request

    def _answer(self, response: discovery_pb2.SubscribeResponse) -> None:
        error = self.answers(response.snapshot)
        if error == "silent":
            return
        if error is None:
            self.in_force = (response.snapshot.epoch, response.snapshot.version)
        self.say(response.nonce, error)


@contextlib.asynccontextmanager
async def fake_sidecar(address: str, **fields: Any) -> AsyncIterator[FakeSidecar]:
    """A connected sidecar; it hangs up at the end."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options) as channel, asyncio.TaskGroup() as tasks:
        sidecar = FakeSidecar(channel, **fields)
        stream = tasks.create_task(sidecar.run())
        try:
            yield sidecar
        finally:
            sidecar.hang_up()
            await asyncio.wait([stream], timeout=2)
            stream.cancel()


def live(
    variant: str, calls: int = 100, errors: int = 0, latency: float = 0.05, route: str = "predict"
) -> telemetry_pb2.Evidence:
    """Calls that callers waited for."""
    return telemetry_pb2.Evidence(
        route=route,
        variant=variant,
        codes={"OK": calls - errors, "INTERNAL": errors},
        latency=histogram([latency] * calls).to_proto(),
        slow=[telemetry_pb2.SlowCount(bound=to_duration(0.2), count=calls if latency > 0.2 else 0)],
    )


def copies(
    variant: str, match: int = 100, mismatch: int = 0, latency: float = 0.05, route: str = "predict"
) -> telemetry_pb2.Evidence:
    """Calls that nobody waited for."""
    calls = match + mismatch
    return telemetry_pb2.Evidence(
        route=route,
        variant=variant,
        mirrored=True,
        codes={"OK": calls},
        latency=histogram([latency] * calls).to_proto(),
        mirror_outcomes={"match": match, "mismatch": mismatch},
        comparisons=telemetry_pb2.Comparisons(matched=match, mismatched=mismatch),
    )


def health(**live: bool) -> list[telemetry_pb2.VariantHealth]:
    """What a sidecar sees of its variants' targets."""
    return [
        telemetry_pb2.VariantHealth(variant=name, live=is_live, reason="" if is_live else "refused")
        for name, is_live in live.items()
    ]
