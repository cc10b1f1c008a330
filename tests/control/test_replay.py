"""Decisions made again from what is stored."""

import contextlib
import pathlib
import sqlite3

import grpc
import pytest
from understudy.v1 import rollouts_pb2, telemetry_pb2

from tests.support.fake_sidecar import copies, fake_sidecar, live
from tests.support.plane import Plane, control_plane
from tests.support.rollouts import progressive

NAME = "fraud-v2-1"


async def _replay(plane: Plane) -> rollouts_pb2.ReplayResponse:
    answer: rollouts_pb2.ReplayResponse = await plane.rollouts.Replay(rollouts_pb2.ReplayRequest(name=NAME))
    return answer


async def _to_the_end(directory: pathlib.Path) -> None:
    """A shadow and a canary, over a restart, with a pause; rolled back, retried, and through."""
    async with control_plane(directory) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        await sidecar.report(live("v1", latency=0.03), copies("v2", 30))
        await sidecar.report(live("v1", 90), copies("v2", 70, 1))
        await plane.bake("shadow", 60)
        await plane.stage("canary")
        await plane.rollouts.Pause(rollouts_pb2.PauseRequest(name=NAME))
        await sidecar.report(live("v1", 300), live("v2", 300, 100))
        await plane.rollouts.Resume(rollouts_pb2.ResumeRequest(name=NAME))
        in_force = sidecar.in_force
    async with (
        control_plane(directory) as plane,
        fake_sidecar(plane.address, in_force=in_force, sequence=3) as sidecar,
    ):
        await sidecar.has(in_force[1])
        await plane.bake("canary", 60)
        await plane.until(lambda status: status.phase == "RolledBack")
        await plane.rollouts.Retry(rollouts_pb2.RetryRequest(name=NAME))
        await plane.stage("shadow")
        await sidecar.report(live("v1"), copies("v2"))
        await plane.bake("shadow", 60)
        await plane.stage("canary")
        await sidecar.report(live("v1", 300), live("v2", 300))
        await plane.bake("canary", 60)
        await plane.until(lambda status: status.phase == "Succeeded")


def _change_evidence(directory: pathlib.Path) -> int:
    """Make a failure a success in one row; its arrival number."""
    with contextlib.closing(sqlite3.connect(directory / "understudy.db", isolation_level=None)) as store:
        for arrival, message in store.execute("SELECT arrival, message FROM evidence").fetchall():
            entry = telemetry_pb2.Evidence.FromString(message)
            if entry.codes.get("INTERNAL"):
                entry.codes["OK"] += entry.codes.pop("INTERNAL")
                changed = (entry.SerializeToString(deterministic=True), arrival)
                store.execute("UPDATE evidence SET message = ? WHERE arrival = ?", changed)
                return int(arrival)
    raise AssertionError("there is a failure in the evidence")


async def test_every_decision_comes_out_the_same(tmp_path: pathlib.Path) -> None:
    await _to_the_end(tmp_path)
    async with control_plane(tmp_path) as plane:
        answer = await _replay(plane)
        assert [each.event for each in answer.decisions] == [
            *("started", "stage", "paused", "resumed", "rolled_back"),
            *("retried", "started", "stage", "stage", "succeeded"),
        ]
        assert [each.difference for each in answer.decisions] == [""] * 10
        assert answer.same
        assert answer.decisions[4].rows == 6


async def test_a_row_that_was_changed_shows(tmp_path: pathlib.Path) -> None:
    await _to_the_end(tmp_path)
    changed = _change_evidence(tmp_path)
    async with control_plane(tmp_path) as plane:
        answer = await _replay(plane)
        assert not answer.same
        rolled_back = answer.decisions[4]
        assert rolled_back.arrival >= changed
        assert "rolled_back" in rolled_back.difference
        assert all(each.same for each in answer.decisions[:2])


async def test_a_row_that_is_gone_shows(tmp_path: pathlib.Path) -> None:
    await _to_the_end(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "understudy.db", isolation_level=None)) as store:
        store.execute("DELETE FROM evidence WHERE arrival = 2")
    async with control_plane(tmp_path) as plane:
        answer = await _replay(plane)
        assert not answer.same
        assert answer.decisions[0].same
        assert not answer.decisions[1].same


async def test_what_is_not_there_is_not_replayed(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await _replay(plane)
