"""The `Services` service."""

# ruff: noqa: N802 - the methods are named in the .proto

from typing import Any

from understudy.v1 import services_pb2, services_pb2_grpc

from control.api.errors import refusing
from control.delivery.leadership import Leadership
from control.desk import Desk
from control.reconciler import Reconciler
from control.refusals import NotThere
from control.views import Views

RECENT_MISMATCHES = 20


class ServicesApi(services_pb2_grpc.ServicesServicer):
    """Says to the desk what was asked for, and answers with what is there then."""

    def __init__(self, desk: Desk, reconciler: Reconciler, views: Views, leadership: Leadership) -> None:
        self._desk = desk
        self._leadership = leadership
        self._reconciler = reconciler
        self._views = views

    async def Apply(self, request: services_pb2.ApplyRequest, context: Any) -> services_pb2.ApplyResponse:
        async with refusing(context):
            if request.abort_rollout:
                self._desk.check(request.service)
                await self._reconciler.abort_any(request.service.name)
            await self._desk.apply(request.service)
            return services_pb2.ApplyResponse(service=await self._status(request.service.name))

    async def Get(
        self, request: services_pb2.ServicesGetRequest, context: Any
    ) -> services_pb2.ServicesGetResponse:
        async with refusing(context):
            return services_pb2.ServicesGetResponse(service=await self._status(request.name))

    async def List(
        self, request: services_pb2.ServicesListRequest, context: Any
    ) -> services_pb2.ServicesListResponse:
        del request
        async with refusing(context):
            return services_pb2.ServicesListResponse(services=await self._views.services())

    async def Deploy(self, request: services_pb2.DeployRequest, context: Any) -> services_pb2.DeployResponse:
        async with refusing(context):
            await self._desk.deploy(request.service, request.variant, request.mirror_percent)
            return services_pb2.DeployResponse(slots=(await self._status(request.service)).slots)

    async def Switch(self, request: services_pb2.SwitchRequest, context: Any) -> services_pb2.SwitchResponse:
        async with refusing(context):
            await self._desk.switch(request.service, request.variant)
            status = await self._status(request.service)
            return services_pb2.SwitchResponse(slots=status.slots, epoch=status.epoch, version=status.version)

    async def Rollback(
        self, request: services_pb2.RollbackRequest, context: Any
    ) -> services_pb2.RollbackResponse:
        async with refusing(context):
            await self._desk.roll_back(request.service)
            status = await self._status(request.service)
            return services_pb2.RollbackResponse(
                slots=status.slots, epoch=status.epoch, version=status.version
            )

    async def ListSidecars(
        self, request: services_pb2.ListSidecarsRequest, context: Any
    ) -> services_pb2.ListSidecarsResponse:
        async with refusing(context):
            return services_pb2.ListSidecarsResponse(sidecars=await self._views.sidecars(request.service))

    async def ShadowReport(
        self, request: services_pb2.ShadowReportRequest, context: Any
    ) -> services_pb2.ShadowReportResponse:
        async with refusing(context):
            await self._status(request.service)
            return await self._views.shadows(request.service, request.mismatches or RECENT_MISMATCHES)

    async def Adopt(self, request: services_pb2.AdoptRequest, context: Any) -> services_pb2.AdoptResponse:
        del request
        async with refusing(context):
            return services_pb2.AdoptResponse(epoch=await self._leadership.adopt())

    async def _status(self, name: str) -> services_pb2.ServiceStatus:
        status = await self._views.service(name)
        if status is None:
            raise NotThere(f"no service is called {name!r}")
        return status
