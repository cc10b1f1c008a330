"""One rollout's failures are its own."""

import logging
import pathlib
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from control.store.evidence import EvidenceLog
from control.store.rollouts import Rollouts
from tests.support.fake_sidecar import copies, fake_sidecar, live
from tests.support.plane import control_plane
from tests.support.rollouts import make_service, progressive


async def test_a_rollout_that_fails_is_shown_and_holds_up_no_other(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = EvidenceLog.since
    broken = True

    async def since(self: EvidenceLog, service: str, route: str, **fields: Any) -> Any:
        if broken and service == "bad":
            raise OSError("the disk is on fire")
        return await whole(self, service, route, **fields)

    monkeypatch.setattr(EvidenceLog, "since", since)
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply(make_service(name="bad"))
        await plane.apply()
        with caplog.at_level(logging.ERROR):
            await plane.start(progressive(service="bad"))
            status = await plane.until(lambda status: "on fire" in status.reason, name="bad-v2-1")
            await plane.start(progressive())
            await plane.stage("shadow")
            await sidecar.report(live("v1"), copies("v2"))
            await plane.bake("shadow", 60)
            await plane.stage("canary")
        assert status.reason == "cannot be carried out now: OSError: the disk is on fire"
        assert caplog.text.count("a rollout is stuck") == 1
        broken = False
        await plane.until(lambda status: "no sidecar is connected" in status.reason, name="bad-v2-1")


async def test_a_transition_that_cannot_be_written_did_not_happen(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Rollouts.advance
    full = True

    async def advance(self: Rollouts, change: Any) -> Any:
        if full:
            raise OperationalError("UPDATE", {}, OSError("database or disk is full"))
        return await whole(self, change)

    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        monkeypatch.setattr(Rollouts, "advance", advance)
        await sidecar.report(live("v1"), copies("v2"))
        plane.clock.advance(60)
        status = await plane.until(lambda status: "disk is full" in status.reason)
        assert status.stage == 0
        assert sidecar.in_force[1] == status.version == 2
        full = False
        await plane.stage("canary")
        assert [step.event for step in await plane.transitions()] == ["started", "stage"]
