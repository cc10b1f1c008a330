"""The `Rollouts` service."""

# ruff: noqa: N802 - the methods are named in the .proto

from collections.abc import AsyncIterator
from typing import Any

from understudy.v1 import rollouts_pb2, rollouts_pb2_grpc

from control.api.errors import refusing
from control.reconciler import Reconciler
from control.refusals import NotThere
from control.replay import Replay
from control.rollout.decisions import Command
from control.rollout.estimates import estimates, imagined
from control.rollout.model import Phase
from control.views import Views


class RolloutsApi(rollouts_pb2_grpc.RolloutsServicer):
    """Says to the reconciler what was asked for, and answers with how the rollout stands then."""

    def __init__(self, reconciler: Reconciler, views: Views, replay: Replay) -> None:
        self._reconciler = reconciler
        self._views = views
        self._replay = replay

    async def Start(self, request: rollouts_pb2.StartRequest, context: Any) -> rollouts_pb2.StartResponse:
        async with refusing(context):
            name = await self._reconciler.start(request.rollout, supersede=request.supersede, by=request.by)
            status = await self._status(name)
            return rollouts_pb2.StartResponse(rollout=status, proofs=await self._proofs(status))

    async def Get(
        self, request: rollouts_pb2.RolloutsGetRequest, context: Any
    ) -> rollouts_pb2.RolloutsGetResponse:
        async with refusing(context):
            return rollouts_pb2.RolloutsGetResponse(rollout=await self._status(request.name))

    async def List(
        self, request: rollouts_pb2.RolloutsListRequest, context: Any
    ) -> rollouts_pb2.RolloutsListResponse:
        async with refusing(context):
            found = await self._views.rollouts(request.service)
            return rollouts_pb2.RolloutsListResponse(rollouts=found)

    async def Watch(
        self, request: rollouts_pb2.WatchRequest, context: Any
    ) -> AsyncIterator[rollouts_pb2.WatchResponse]:
        sent = None
        async for _ in self._views.updates():
            async with refusing(context):
                status = await self._status(request.name)
            if status != sent:
                yield rollouts_pb2.WatchResponse(rollout=status)
                sent = status
            if Phase(status.phase).is_final:
                return

    async def Promote(
        self, request: rollouts_pb2.PromoteRequest, context: Any
    ) -> rollouts_pb2.PromoteResponse:
        command = Command.PROMOTE_FULL if request.full else Command.PROMOTE
        return rollouts_pb2.PromoteResponse(rollout=await self._do(request, command, context))

    async def Pause(self, request: rollouts_pb2.PauseRequest, context: Any) -> rollouts_pb2.PauseResponse:
        return rollouts_pb2.PauseResponse(rollout=await self._do(request, Command.PAUSE, context))

    async def Resume(self, request: rollouts_pb2.ResumeRequest, context: Any) -> rollouts_pb2.ResumeResponse:
        return rollouts_pb2.ResumeResponse(rollout=await self._do(request, Command.RESUME, context))

    async def Abort(self, request: rollouts_pb2.AbortRequest, context: Any) -> rollouts_pb2.AbortResponse:
        return rollouts_pb2.AbortResponse(rollout=await self._do(request, Command.ABORT, context))

    async def Retry(self, request: rollouts_pb2.RetryRequest, context: Any) -> rollouts_pb2.RetryResponse:
        return rollouts_pb2.RetryResponse(rollout=await self._do(request, Command.RETRY, context))

    async def Undo(self, request: rollouts_pb2.UndoRequest, context: Any) -> rollouts_pb2.UndoResponse:
        return rollouts_pb2.UndoResponse(rollout=await self._do(request, Command.UNDO, context))

    async def Replay(self, request: rollouts_pb2.ReplayRequest, context: Any) -> rollouts_pb2.ReplayResponse:
        async with refusing(context):
            made = await self._replay.of(request.name)
            return rollouts_pb2.ReplayResponse(decisions=made, same=all(each.same for each in made))

    async def Explain(
        self, request: rollouts_pb2.ExplainRequest, context: Any
    ) -> rollouts_pb2.ExplainResponse:
        async with refusing(context):
            await self._status(request.name)
            return rollouts_pb2.ExplainResponse(transitions=await self._views.transitions(request.name))

    async def _proofs(self, status: rollouts_pb2.RolloutStatus) -> list[rollouts_pb2.ProofEstimate]:
        """By what the service's calls were like in the last minute."""
        service = await self._views.service(status.rollout.service)
        live = {variant.name: variant.live for variant in service.variants} if service else {}
        stable = live.get(status.stable)
        errors = stable.error_rate if stable is not None and stable.HasField("error_rate") else None
        names = {status.stable, status.rollout.candidate} & live.keys()
        per_second = sum(live[name].calls_per_second for name in names)
        return estimates(imagined(status.rollout), errors, per_second)

    async def _do(self, request: Any, command: Command, context: Any) -> rollouts_pb2.RolloutStatus:
        async with refusing(context):
            await self._reconciler.command(request.name, command, request.by)
            return await self._status(request.name)

    async def _status(self, name: str) -> rollouts_pb2.RolloutStatus:
        status = await self._views.rollout(name)
        if status is None:
            raise NotThere(f"no rollout is called {name!r}")
        return status
