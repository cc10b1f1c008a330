"""A control service that answers by script, on a real gRPC port."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from understudy.v1 import outcomes_pb2_grpc, rollouts_pb2_grpc, services_pb2_grpc


@dataclass(frozen=True)
class Refusal:
    """A status to answer with, and the field violations of its details."""

    code: grpc.StatusCode
    details: str
    violations: tuple[tuple[str, str], ...] = ()

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        if not self.violations:
            return ()
        request = error_details_pb2.BadRequest()
        for path, description in self.violations:
            request.field_violations.add(field=path, description=description)
        packed = AnyMessage()
        packed.Pack(request)
        status = status_pb2.Status(code=self.code.value[0], message=self.details, details=[packed])
        return (("grpc-status-details-bin", status.SerializeToString()),)


@dataclass
class Script:
    """What each method answers, and what it was asked. A method named by the service and its own name."""

    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)

    async def answer(self, method: str, request: Message, context: grpc.aio.ServicerContext) -> Any:
        self.requests.append(request)
        answer = self.answers[method]
        if isinstance(answer, Refusal):
            await context.abort(answer.code, answer.details, answer.trailers())
        return answer


def _unary(method: str) -> Any:
    async def handle(self: Any, request: Message, context: grpc.aio.ServicerContext) -> Any:
        return await self.script.answer(method, request, context)

    return handle


class _Services(services_pb2_grpc.ServicesServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    Apply = _unary("Services.Apply")
    Get = _unary("Services.Get")
    List = _unary("Services.List")
    Deploy = _unary("Services.Deploy")
    Switch = _unary("Services.Switch")
    Rollback = _unary("Services.Rollback")
    ListSidecars = _unary("Services.ListSidecars")
    ShadowReport = _unary("Services.ShadowReport")


class _Rollouts(rollouts_pb2_grpc.RolloutsServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    Start = _unary("Rollouts.Start")
    Get = _unary("Rollouts.Get")
    List = _unary("Rollouts.List")
    Promote = _unary("Rollouts.Promote")
    Pause = _unary("Rollouts.Pause")
    Resume = _unary("Rollouts.Resume")
    Abort = _unary("Rollouts.Abort")
    Retry = _unary("Rollouts.Retry")
    Undo = _unary("Rollouts.Undo")
    Explain = _unary("Rollouts.Explain")
    Replay = _unary("Rollouts.Replay")

    async def Watch(self, request: Message, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:  # noqa: N802
        """An answer of a method's own is called for each stream; a list is sent as it is."""
        answer = await self.script.answer("Rollouts.Watch", request, context)
        if isinstance(answer, Iterable):
            for message in answer:
                yield message
        else:
            async for message in answer():
                yield message


class _Outcomes(outcomes_pb2_grpc.OutcomesServicer):
    def __init__(self, script: Script) -> None:
        self.script = script

    Report = _unary("Outcomes.Report")
    Summary = _unary("Outcomes.Summary")


@contextlib.asynccontextmanager
async def fake_control(script: Script, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """The script behind a port; its address."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    services_pb2_grpc.add_ServicesServicer_to_server(_Services(script), server)
    rollouts_pb2_grpc.add_RolloutsServicer_to_server(_Rollouts(script), server)
    outcomes_pb2_grpc.add_OutcomesServicer_to_server(_Outcomes(script), server)
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)
