"""A control service that ends and comes back over the same database."""

import pathlib

import grpc
import pytest
from understudy.v1 import rollouts_pb2

from control.rollout.model import Phase, State
from control.store.changes import Change
from tests.support.clock import ManualClock
from tests.support.fake_sidecar import copies, fake_sidecar, live
from tests.support.plane import control_plane
from tests.support.rollouts import make_rollout, make_service, progressive
from tests.support.stores import opened


async def test_a_rollout_resumes_where_it_stood(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        await sidecar.report(live("v1"), copies("v2"))
        await plane.bake("shadow", 60)
        await plane.stage("canary")
        await sidecar.report(live("v1", 300), live("v2", 300))
        before = await plane.bake("canary", 40)
        in_force = sidecar.in_force

    clock = ManualClock(wall=plane.clock.wall() + 3600)
    async with (
        control_plane(tmp_path, clock) as plane,
        fake_sidecar(plane.address, in_force=in_force, boot_id="boot-1", sequence=2) as sidecar,
    ):
        await sidecar.has(in_force[1])
        status = await plane.until(lambda status: status.stages[1].arms[1].calls == 300)
        assert sidecar.in_force == (2, in_force[1])
        assert status.stages[1].state == "baking"
        assert status.stages[1].elapsed.seconds == before.stages[1].elapsed.seconds == 40
        assert status.stages[0].criteria[0].verdict == "pass"
        await plane.bake("canary", 20)
        await plane.until(lambda status: status.phase == "Succeeded")
        sequence = [(step.event, step.epoch) for step in await plane.transitions()]
        assert sequence == [("started", 1), ("stage", 1), ("stage", 2), ("succeeded", 2)]


async def test_no_stage_goes_on_while_the_fleet_is_away(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.start(progressive())
    async with control_plane(tmp_path, plane.clock) as plane:
        plane.clock.advance(30)
        status = await plane.stage("shadow", "waiting")
        assert status.connected == 0
        assert "no sidecar is connected" in status.reason


async def test_what_is_in_force_is_pushed_under_the_new_epoch(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        first = await sidecar.has(1)
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        again = await sidecar.has(1)
        assert (first.epoch, again.epoch) == (1, 2)
        assert again.service == first.service


async def test_a_rollout_of_other_rules_is_shown_and_left_alone(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 1.0, expected=0)
        begun = Change(
            "old",
            0,
            State(Phase.PROGRESSING, "begun"),
            now=1.0,
            epoch=1,
            transition=rollouts_pb2.Transition(),
        )
        await store.rollouts.start(make_rollout(name="old"), make_service(), 1, begun)
    async with control_plane(tmp_path) as plane:
        status = await plane.rollout("old")
        assert status.phase == "Progressing"
        assert "started by another version: strategy: must have one" in status.reason
        with pytest.raises(grpc.aio.AioRpcError, match="FAILED_PRECONDITION"):
            await plane.rollouts.Abort(rollouts_pb2.AbortRequest(name="old"))
