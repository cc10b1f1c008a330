"""Config streams over a real port."""

import pathlib

import grpc
import pytest
from understudy.v1 import discovery_pb2, discovery_pb2_grpc, services_pb2

from tests.support.eventually import eventually
from tests.support.fake_sidecar import FakeSidecar, fake_sidecar
from tests.support.plane import Plane, control_plane, until
from tests.support.rollouts import make_service, progressive


async def shown(plane: Plane, **wanted: object) -> services_pb2.SidecarStatus:
    """The first sidecar, as soon as it looks like this."""

    async def look() -> services_pb2.SidecarStatus | None:
        for sidecar in await plane.sidecars():
            if all(getattr(sidecar, name) == value for name, value in wanted.items()):
                return sidecar
        return None

    return await until(look)


async def test_a_service_is_pushed_and_its_ack_is_shown(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        snapshot = await sidecar.has(1)
        assert snapshot.service == make_service()
        status = await shown(plane, answer="ack")
        assert (status.node, status.epoch, status.version, status.connected) == ("pod-1", 1, 1, True)
        await plane.apply(make_service(stable="v3"))
        assert (await sidecar.has(2)).service.stable == "v3"


async def test_a_refused_snapshot_is_shown_and_not_sent_in_a_loop(tmp_path: pathlib.Path) -> None:
    def refuse_second(snapshot: discovery_pb2.Snapshot) -> str | None:
        return "routes[1].name: too long" if snapshot.version == 2 else None

    async with (
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address, answers=refuse_second) as sidecar,
    ):
        await plane.apply()
        await sidecar.has(1)
        await plane.apply(make_service(stable="v3"))
        status = await shown(plane, answer="nack")
        assert status.error == "routes[1].name: too long"
        assert (status.version, status.sent_version) == (1, 2)
        await plane.apply(make_service(stable="v2"))
        await sidecar.has(3)
        assert [each.snapshot.version for each in sidecar.received] == [1, 2, 3]
        await shown(plane, answer="ack", version=3)


async def test_a_rollout_waits_for_a_sidecar_that_refuses_and_says_which(tmp_path: pathlib.Path) -> None:
    def refuse_second(snapshot: discovery_pb2.Snapshot) -> str | None:
        return "no such thing" if snapshot.version == 2 else None

    async with (
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address, answers=refuse_second) as sidecar,
    ):
        await plane.apply()
        await sidecar.has(1)
        await plane.start(progressive())
        status = await plane.until(lambda status: "pod-1 (no such thing)" in status.reason)
        assert status.stages[0].state == "waiting"
        assert (status.acked, status.connected) == (0, 1)
        assert status.unconfirmed[0].error == "no such thing"
        plane.clock.advance(60)
        status = await plane.until(lambda status: status.phase == "Paused")
        assert "no ACK within 60s" in status.reason


async def test_a_stream_stays_open_for_a_service_that_is_yet_to_come(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address, service="later") as sidecar:
        await shown(plane, connected=True)
        assert sidecar.received == []
        await plane.apply(make_service(name="later"))
        await sidecar.has(1)


async def test_a_sidecar_that_has_it_is_sent_nothing(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        async with fake_sidecar(plane.address, in_force=(1, 1)) as sidecar:
            await shown(plane, answer="ack")
            assert sidecar.received == []


async def test_a_sidecar_that_is_gone_is_shown_so_until_it_starts_anew(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        async with fake_sidecar(plane.address):
            await shown(plane, connected=True)
        await shown(plane, connected=False)
        async with fake_sidecar(plane.address, boot_id="boot-2"):
            await shown(plane, boot_id="boot-2")
            assert len(await plane.sidecars()) == 1


async def test_a_fleet_ahead_of_its_control_service_is_said_aloud(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        async with fake_sidecar(plane.address, in_force=(7, 1)) as sidecar:
            status = await shown(plane, answer="nack")
            assert "epoch 7" in status.error
            assert sidecar.received == []
    assert "the store is older than the fleet" in caplog.text


@pytest.mark.parametrize("missing", ["node", "boot_id", "service"])
async def test_a_first_message_must_say_who_speaks(tmp_path: pathlib.Path, missing: str) -> None:
    async with control_plane(tmp_path) as plane, grpc.aio.insecure_channel(plane.address) as channel:
        sidecar = FakeSidecar(channel, **{missing: ""})
        with pytest.raises(grpc.aio.AioRpcError, match=f"{missing}: is required") as found:
            await sidecar.run()
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_without_a_message_ends_in_peace(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, grpc.aio.insecure_channel(plane.address) as channel:
        stream = discovery_pb2_grpc.ConfigDiscoveryStub(channel).Subscribe()
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


async def test_a_sidecar_that_is_cut_off_is_forgotten(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        channel = grpc.aio.insecure_channel(plane.address)
        stream = discovery_pb2_grpc.ConfigDiscoveryStub(channel).Subscribe()
        await stream.write(discovery_pb2.SubscribeRequest(node="n", service="fraud", boot_id="b"))
        await stream.read()
        await channel.close()
        await shown(plane, connected=False)
        await eventually(stream.done)
