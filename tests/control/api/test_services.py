"""The `Services` API over a real port."""

import asyncio
import contextlib
import pathlib
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from understudy.v1 import service_pb2, services_pb2

from control.store.services import Services
from tests.support.fake_sidecar import FakeSidecar, fake_sidecar, health
from tests.support.plane import Plane, control_plane
from tests.support.rollouts import make_service, progressive

SLOTS = {
    "variants": [
        {"name": "blue", "target": "127.0.0.1:8001", "version": "1.0.0"},
        {"name": "green", "target": "127.0.0.1:8002", "version": "2.0.0"},
    ],
    "routes": [{"name": "all", "split": {"weights": {"blue": 100}}}],
}


async def deploy(plane: Plane, name: str = "green", mirror_percent: float = 0, **fields: str) -> None:
    variant = service_pb2.Variant(name=name, **fields)
    request = services_pb2.DeployRequest(service="fraud", variant=variant, mirror_percent=mirror_percent)
    await plane.services.Deploy(request)


async def switch(plane: Plane, variant: str = "") -> services_pb2.SwitchResponse:
    answer: services_pb2.SwitchResponse = await plane.services.Switch(
        services_pb2.SwitchRequest(service="fraud", variant=variant)
    )
    return answer


async def see(sidecar: FakeSidecar, **live: bool) -> None:
    await sidecar.has(1)
    await sidecar.report(variants=health(**live))


async def test_a_service_that_breaks_rules_is_refused_field_by_field(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        bad = make_service()
        bad.routes[1].split.weights["v2"] = -1
        bad.variants[0].target = "::"
        with pytest.raises(grpc.aio.AioRpcError) as found:
            await plane.apply(bad)
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "service.routes[1].split.weights.v2: " in str(found.value.details())
        trailers = dict(found.value.trailing_metadata() or ())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        details = error_details_pb2.BadRequest()
        assert status.details[0].Unpack(details)
        fields = [each.field for each in details.field_violations]
        assert fields == ["service.variants[0].target", "service.routes[1].split.weights.v2"]


async def test_a_service_is_not_applied_under_a_rollout_unless_it_is_aborted(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await plane.apply()
        await plane.start(progressive())
        with pytest.raises(grpc.aio.AioRpcError, match="fraud-v2-1") as found:
            await plane.apply(make_service(stable="v3"))
        assert found.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        status = await plane.apply(make_service(stable="v3"), abort_rollout=True)
        assert (status.service.stable, status.rollout) == ("v3", "")
        assert (await plane.rollout()).phase == "Aborted"


async def test_a_bad_service_aborts_nothing(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await plane.apply()
        await plane.start(progressive())
        with pytest.raises(grpc.aio.AioRpcError, match="INVALID_ARGUMENT"):
            await plane.apply(make_service(stable="ghost"), abort_rollout=True)
        assert (await plane.rollout()).phase == "Progressing"


async def test_what_is_not_there_is_not_found(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        with pytest.raises(grpc.aio.AioRpcError, match="no service is called 'fraud'") as found:
            await plane.service()
        assert found.value.code() is grpc.StatusCode.NOT_FOUND
        for call in (switch(plane), deploy(plane)):
            with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
                await call


async def test_blue_green_there_and_back(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply(make_service(**SLOTS))
        await deploy(plane, version="2.1.0", mirror_percent=50)
        await sidecar.has(2)
        assert sidecar.received[-1].snapshot.service.routes[0].mirrors[0].variant == "green"
        await see(sidecar, blue=True, green=True)
        answer = await switch(plane)
        assert (answer.slots.active_slot, answer.epoch, answer.version) == ("green", 1, 3)
        green = answer.slots.slots["green"]
        assert (green.model_name, green.model_version, green.is_active) == ("fraud", "2.1.0", True)
        pushed = (await sidecar.has(3)).service
        assert {name: weight for name, weight in pushed.routes[0].split.weights.items() if weight} == {
            "green": 100
        }
        back = await plane.services.Rollback(services_pb2.RollbackRequest(service="fraud"))
        assert back.slots.active_slot == "blue"
        with pytest.raises(grpc.aio.AioRpcError, match="has had no switch to go back from"):
            await plane.services.Rollback(services_pb2.RollbackRequest(service="fraud"))


async def test_no_switch_onto_a_slot_that_is_empty_active_or_dead(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply(make_service(**SLOTS))
        for slot, why in (
            ("pink", "is empty"),
            ("blue", "is the active slot already"),
            ("green", "no connected sidecar has seen it live"),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match=why) as found:
                await switch(plane, slot)
            assert found.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        await see(sidecar, blue=True, green=False)
        with pytest.raises(grpc.aio.AioRpcError, match=r"not live at pod-1 \(refused\)"):
            await switch(plane, "green")
        assert (await plane.service()).version == 1


async def test_one_sidecar_that_sees_a_slot_dead_is_enough(tmp_path: pathlib.Path) -> None:
    async with (
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as one,
        fake_sidecar(plane.address, node="pod-2") as two,
    ):
        await plane.apply(make_service(**SLOTS))
        await see(one, blue=True, green=True)
        await see(two, blue=True, green=False)
        with pytest.raises(grpc.aio.AioRpcError, match="pod-2"):
            await switch(plane)


async def test_what_cannot_be_deployed_is_refused(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await plane.apply(make_service(**SLOTS))
        with pytest.raises(grpc.aio.AioRpcError, match="is the active slot") as found:
            await deploy(plane, "blue", version="3")
        assert found.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        with pytest.raises(grpc.aio.AioRpcError, match="mirror_percent") as found:
            await deploy(plane, mirror_percent=101)
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError, match=r"variants\[1\]\.target") as found:
            await deploy(plane, target="not a target")
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_slots_of_a_service_under_a_rollout_are_the_rollout_s(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await see(sidecar, v1=True, v2=True, v3=True)
        await plane.start(progressive())
        with pytest.raises(grpc.aio.AioRpcError, match="rollout fraud-v2-1 of this service") as found:
            await switch(plane, "v2")
        assert found.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_deployed_slot_waits_for_its_switch(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply(make_service(**SLOTS))
        await see(sidecar, blue=True, green=True, pink=True)
        plane.clock.advance(10)
        await deploy(plane, "pink", target="127.0.0.1:8003")
        slots = (await plane.service()).slots
        assert slots.slots["pink"].deployed_at.seconds == slots.slots["green"].deployed_at.seconds + 10
        assert (await switch(plane)).slots.active_slot == "pink"


async def test_a_caller_that_hangs_up_leaves_nothing_unpushed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Services.apply

    async def apply(self: Services, service: service_pb2.Service, now: float, *, expected: int) -> Any:
        call = asyncio.current_task()
        assert call is not None
        call.cancel()  # it arrives while the store is at it
        return await whole(self, service, now, expected=expected)

    monkeypatch.setattr(Services, "apply", apply)
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            await plane.apply()
        assert (await sidecar.has(1)).service == make_service()
