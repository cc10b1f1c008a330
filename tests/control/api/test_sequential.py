"""Rollouts by sequential tests, over a real port."""

import pathlib

from understudy.v1 import rollouts_pb2

from tests.support.fake_sidecar import fake_sidecar, live
from tests.support.plane import control_plane
from tests.support.rollouts import progressive

STAGE = {"percent": 50, "bake": "600s", "require": ["error_rate <= stable * 2"]}
ROLLOUT = progressive({"name": "half"} | STAGE, gate="sequential")


def counted(status: rollouts_pb2.RolloutStatus) -> int:
    """The candidate's calls that the second stage's criterion was judged on."""
    (criterion,) = status.stages[1].criteria or [rollouts_pb2.CriterionStatus()]
    return criterion.counts[0].n if criterion.counts else 0


async def test_a_proven_failure_rolls_back_in_mid_bake_and_is_explained(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        answer = await plane.rollouts.Start(rollouts_pb2.StartRequest(rollout=ROLLOUT))
        assert [(proof.require, proof.arm, proof.stage) for proof in answer.proofs] == [
            ("error_rate <= stable * 2", "candidate", "half")
        ]
        await plane.stage("half")
        for _ in range(10):
            await sidecar.report(live("v1", 100, errors=1), live("v2", 100, errors=10))
        status = await plane.until(lambda status: status.phase == "RolledBack")
        assert status.reason.startswith("stage half: failed: error_rate <= stable * 2 (candidate: ")
        last = (await plane.transitions())[-1]
        (judged,) = last.criteria
        assert (judged.verdict, judged.method) == ("fail", "ratio test")
        assert judged.to_fail.value >= judged.to_fail.limit
        assert [count.arm for count in judged.counts] == ["candidate", "stable"]
        assert last.evidence_until.seconds > last.evidence_from.seconds
        assert last.arrival > 0


async def test_a_restart_has_seen_what_was_seen_before_it(tmp_path: pathlib.Path) -> None:
    first, second = {"name": "five", "percent": 5} | STAGE, {"name": "half"} | STAGE
    rollout = progressive(first, second, gate="sequential")
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(rollout)
        await plane.stage("five")
        await sidecar.report(live("v1", 100, errors=1), live("v2", 60, errors=1))
        await plane.rollouts.Promote(rollouts_pb2.PromoteRequest(name="fraud-v2-1"))
        await plane.stage("half")
        await sidecar.report(live("v1", 100, errors=2), live("v2", 70, errors=3))
        before = await plane.until(lambda status: counted(status) == 130)
    async with control_plane(tmp_path) as plane:
        after = await plane.until(lambda status: counted(status) == 130)
        assert after.stages[1].criteria == before.stages[1].criteria
        assert [arm.calls for arm in after.stages[1].arms] == [100, 70, 0]
