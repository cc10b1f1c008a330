"""What is read again for every look, and what is not."""

import pathlib
from typing import Any

import pytest
from understudy.v1 import rollouts_pb2

from control.rollout.strategies import compile_rollout
from control.status import live as live_views
from tests.support.fake_sidecar import fake_sidecar
from tests.support.plane import control_plane
from tests.support.rollouts import progressive


async def test_a_rollout_that_has_ended_is_compiled_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def count(*arguments: Any) -> Any:
        compiled.append(arguments[2])
        return compile_rollout(*arguments)

    monkeypatch.setattr(live_views, "compile_rollout", count)
    name = "fraud-v2-1"
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await plane.apply()
        await plane.start(progressive())
        await plane.rollouts.Abort(rollouts_pb2.AbortRequest(name=name))
        await plane.until(lambda status: status.phase == "Aborted")
        answers = [await plane.rollouts.List(rollouts_pb2.RolloutsListRequest()) for _ in range(5)]
        assert [each.rollouts[0].phase for each in answers] == ["Aborted"] * 5
        assert len(compiled) <= 1
        await plane.rollouts.Retry(rollouts_pb2.RetryRequest(name=name))
        status = await plane.stage("shadow")
        assert status.phase == "Progressing"
