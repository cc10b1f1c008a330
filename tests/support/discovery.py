"""A control service as a sidecar sees it: streams and reports by script, on a real gRPC port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from understudy.v1 import discovery_pb2, discovery_pb2_grpc, telemetry_pb2, telemetry_pb2_grpc

from tests.support.eventually import DEADLINE


class Stream:
    """One subscription, from the control service's end."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[discovery_pb2.SubscribeRequest] = asyncio.Queue()
        self.to_send: asyncio.Queue[discovery_pb2.SubscribeResponse | None] = asyncio.Queue()
        self._nonces = 0

    def heard(self, request: discovery_pb2.SubscribeRequest) -> None:
        self._said.put_nowait(request)

    @property
    def is_silent(self) -> bool:
        """The sidecar has said nothing that was not read."""
        return self._said.empty()

    async def next(self) -> discovery_pb2.SubscribeRequest:
        """The next thing that the sidecar says."""
        async with asyncio.timeout(DEADLINE):
            return await self._said.get()

    def push(self, snapshot: discovery_pb2.Snapshot) -> str:
        """Send a snapshot; its nonce."""
        self._nonces += 1
        nonce = f"nonce-{self._nonces}"
        self.to_send.put_nowait(discovery_pb2.SubscribeResponse(snapshot=snapshot, nonce=nonce))
        return nonce

    async def ask(self, snapshot: discovery_pb2.Snapshot) -> discovery_pb2.SubscribeRequest:
        """Send a snapshot; the answer to it."""
        nonce = self.push(snapshot)
        answer = await self.next()
        assert answer.nonce == nonce
        return answer

    def close(self) -> None:
        """End the stream, without an error."""
        self.to_send.put_nowait(None)


class ScriptedControl(discovery_pb2_grpc.ConfigDiscoveryServicer, telemetry_pb2_grpc.TelemetryServicer):  # type: ignore[misc]  # generated bases are Any
    """Every stream opened and every report received; `fails` answers the next reports with errors."""

    def __init__(self) -> None:
        self._opened: asyncio.Queue[Stream] = asyncio.Queue()
        self.reports: list[bytes] = []
        self.fails: list[grpc.StatusCode] = []
        self.address = ""
        self._server: grpc.aio.Server | None = None

    async def next_stream(self) -> Stream:
        """The next stream that a sidecar opens."""
        async with asyncio.timeout(DEADLINE):
            return await self._opened.get()

    async def Subscribe(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        stream = Stream()
        self._opened.put_nowait(stream)
        await context.send_initial_metadata(())

        async def listen() -> None:
            async for request in requests:
                stream.heard(request)

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen())
            while (response := await stream.to_send.get()) is not None:
                yield response
            listening.cancel()

    async def Report(self, request: Any, context: Any) -> telemetry_pb2.TelemetryReportResponse:  # noqa: N802
        """Every report is stored; the answer to it may be lost all the same."""
        self.reports.append(request.SerializeToString(deterministic=True))
        if self.fails:
            await context.abort(self.fails.pop(0), "as the script says")
        return telemetry_pb2.TelemetryReportResponse()

    def stored(self) -> list[telemetry_pb2.TelemetryReportRequest]:
        """Every report once, by its node and sequence."""
        parsed = [telemetry_pb2.TelemetryReportRequest.FromString(report) for report in self.reports]
        return list({(report.node, report.sequence): report for report in parsed}.values())

    async def start(self) -> None:
        """Listen; again on the same port after `kill`."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        discovery_pb2_grpc.add_ConfigDiscoveryServicer_to_server(self, self._server)
        telemetry_pb2_grpc.add_TelemetryServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(self.address or "127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        await self._server.start()

    async def kill(self) -> None:
        """Stop at once."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(0)


@contextlib.asynccontextmanager
async def scripted_control() -> AsyncIterator[ScriptedControl]:
    """A scripted control service, listening."""
    control = ScriptedControl()
    await control.start()
    try:
        yield control
    finally:
        await control.kill()
