"""A store that is older than its fleet: what is not done, and how an operator takes the lead."""

import pathlib

import grpc
import pytest
from understudy.v1 import rollouts_pb2, services_pb2

from tests.support.eventually import eventually
from tests.support.fake_sidecar import fake_sidecar, live
from tests.support.plane import Plane, control_plane, until
from tests.support.processes import understudy
from tests.support.rollouts import make_service, progressive

AHEAD = (7, 4)


async def _refused(plane: Plane) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await plane.apply(make_service(stable="v2"))
    assert found.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    return found.value.details() or ""


async def _seen(plane: Plane, node: str, answer: str) -> services_pb2.SidecarStatus:
    async def look() -> services_pb2.SidecarStatus | None:
        return next((one for one in await plane.sidecars() if (one.node, one.answer) == (node, answer)), None)

    return await until(look)


async def test_nothing_is_changed_or_pushed_until_the_fleet_is_adopted(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.apply(make_service(name="other"))
        async with (
            fake_sidecar(plane.address, in_force=AHEAD) as old,
            fake_sidecar(plane.address, node="pod-3", service="other") as other,
        ):
            await _seen(plane, "pod-1", "nack")
            said = await _refused(plane)
            assert "sidecar pod-1 runs version 4 of epoch 7, this is epoch 1" in said
            assert "`understudy control adopt`" in said
            with pytest.raises(grpc.aio.AioRpcError, match="control adopt"):
                await plane.start(progressive())
            async with fake_sidecar(plane.address, node="pod-2") as newcomer:
                await _seen(plane, "pod-2", "")
                await other.has(1)  # another service has nothing to do with it
                await plane.apply(make_service(name="other", stable="v2"))
                await other.has(2)
                assert (old.received, newcomer.received) == ([], [])

                adopted = await understudy("control", "adopt", "--control", plane.address)
                assert (adopted.code, adopted.out) == (0, "leads at epoch 8\n")
                await eventually(lambda: old.in_force == newcomer.in_force == (8, 1))
                await eventually(lambda: other.in_force == (8, 2))
            await plane.apply(make_service(stable="v2"))
            assert (await old.has(2)).service.stable == "v2"


async def test_a_rollout_stands_still_meanwhile(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive({"name": "canary", "percent": 10, "bake": "3600s"}))
        await plane.stage("canary")
        async with fake_sidecar(plane.address, node="pod-2", in_force=AHEAD) as old:
            status = await plane.until(lambda status: "control adopt" in status.reason)
            plane.clock.advance(600)
            with pytest.raises(grpc.aio.AioRpcError, match="control adopt"):
                await plane.rollouts.Pause(rollouts_pb2.PauseRequest(name="fraud-v2-1"))
            await old.report(live("v2", errors=100))
            assert (await plane.rollout()).phase == status.phase == "Progressing"
            assert (await plane.services.Adopt(services_pb2.AdoptRequest())).epoch == 8
            await plane.until(lambda status: "control adopt" not in status.reason)
            await eventually(lambda: old.in_force == sidecar.in_force == (8, 2))
        arms = {arm.variant: arm.calls for arm in (await plane.transitions())[-1].arms}
        assert arms.get("v2", 0) == 0


async def test_who_was_ahead_and_is_gone_holds_nobody_up(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        async with fake_sidecar(plane.address, node="pod-2") as newcomer:
            await newcomer.has(1)
            async with fake_sidecar(plane.address, in_force=AHEAD):
                await _refused_until_seen(plane)
            await until(lambda: _applied(plane))
            await newcomer.has(2)


async def _refused_until_seen(plane: Plane) -> None:
    await _seen(plane, "pod-1", "nack")
    await _refused(plane)


async def _applied(plane: Plane) -> bool | None:
    try:
        await plane.apply(make_service(stable="v2"))
    except grpc.aio.AioRpcError:
        return None
    return True


async def test_where_nobody_is_ahead_nothing_is_adopted(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        answer = await plane.services.Adopt(services_pb2.AdoptRequest())
        assert answer.epoch == 1


async def test_an_epoch_that_no_store_can_hold_is_refused(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        with pytest.raises(BaseExceptionGroup) as found:
            async with fake_sidecar(plane.address, in_force=(2**63, 1)) as sidecar:
                await sidecar.has(1)
        assert "must be below 2^63" in str(found.value.exceptions)
