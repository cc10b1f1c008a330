"""The whole control service, from its gRPC API to its database, with sidecars by script."""

import pathlib

from understudy.v1 import rollouts_pb2

from tests.support.fake_sidecar import copies, fake_sidecar, live
from tests.support.plane import control_plane
from tests.support.rollouts import progressive


async def test_a_good_candidate_is_promoted_on_evidence(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        name = await plane.start(progressive())
        await plane.stage("shadow")
        await sidecar.report(live("v1"), copies("v2"))
        await plane.bake("shadow", 60)
        status = await plane.stage("canary")
        assert status.canary_percentage == 10
        weights = sidecar.received[-1].snapshot.service.routes[1].split.weights
        assert dict(weights) == {"v1": 72, "v2": 8, "v3": 20}
        await sidecar.report(live("v1"), live("v2"))
        await plane.bake("canary", 60)
        status = await plane.until(lambda status: status.phase == "Succeeded")
        assert [stage.state for stage in status.stages] == ["passed", "passed", "passed"]
        assert [each.verdict for each in status.stages[1].criteria] == ["pass", "pass"]
        assert (await plane.service()).service.stable == "v2"
        events = [step.event for step in await plane.transitions(name)]
        assert events == ["started", "stage", "stage", "succeeded"]


async def test_a_bad_candidate_is_rolled_back(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        before = await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        await sidecar.report(live("v1"), copies("v2", match=50, mismatch=50))
        await plane.bake("shadow", 60)
        status = await plane.until(lambda status: status.phase == "RolledBack")
        assert "match_rate >= 95%" in status.reason
        assert status.stages[0].state == "failed"
        assert status.stages[0].criteria[0].verdict == "fail"
        assert (await plane.service()).service == before.service
        await sidecar.has(3)
        assert sidecar.received[-1].snapshot.service == before.service


async def test_no_data_never_advances(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await sidecar.has(2)
        for _ in range(4):
            status = await plane.bake("shadow", 60)
            if status.phase == "Paused":
                break
        status = await plane.until(lambda status: status.phase == "Paused")
        assert status.stage == 0
        assert "inconclusive" in status.reason
        await plane.rollouts.Abort(rollouts_pb2.AbortRequest(name="fraud-v2-1"))
