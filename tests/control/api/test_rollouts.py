"""The `Rollouts` API over a real port."""

import pathlib
from typing import Any

import grpc
import pytest
from understudy.v1 import rollout_pb2, rollouts_pb2

from tests.support.fake_sidecar import copies, fake_sidecar, live
from tests.support.plane import Plane, control_plane
from tests.support.rollouts import make_rollout, make_service, progressive

BAKED = {"name": "canary", "percent": 10, "bake": "10s"}


async def ask(
    plane: Plane, command: str, name: str = "fraud-v2-1", **fields: Any
) -> rollouts_pb2.RolloutStatus:
    request = getattr(rollouts_pb2, f"{command}Request")(name=name, **fields)
    answer = await getattr(plane.rollouts, command)(request)
    status: rollouts_pb2.RolloutStatus = answer.rollout
    return status


async def refusal(plane: Plane, command: str, **fields: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await ask(plane, command, **fields)
    return found.value.code(), str(found.value.details())


async def test_a_started_rollout_has_its_defaults(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.start(progressive())
        status = await plane.rollout()
        rollout = status.rollout
        assert (rollout.name, rollout.route, rollout.min_calls) == ("fraud-v2-1", "predict", 50)
        assert (rollout.on_fail, rollout.on_inconclusive, rollout.gate) == ("rollback", "hold", "threshold")
        assert (status.stable, status.phase, status.stages[2].state) == ("v1", "Progressing", "pending")
        assert status.stages[0].stage.max_bake.seconds == 240


async def test_what_a_start_is_refused_for(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        for rollout, code, text in (
            (make_rollout(), grpc.StatusCode.INVALID_ARGUMENT, "rollout.strategy: "),
            (progressive(), grpc.StatusCode.NOT_FOUND, "no service is called 'fraud'"),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match=text) as found:
                await plane.start(rollout)
            assert found.value.code() is code
        await plane.apply()
        with pytest.raises(grpc.aio.AioRpcError, match=r"rollout\.candidate: no variant is called 'v9'"):
            await plane.start(progressive(candidate="v9"))
        await plane.start(progressive(name="one"))
        for name, code in (
            ("two", grpc.StatusCode.FAILED_PRECONDITION),
            ("one", grpc.StatusCode.ALREADY_EXISTS),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as found:
                await plane.start(progressive(name=name))
            assert found.value.code() is code


async def test_a_newer_rollout_supersedes_only_where_it_is_told_to(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await plane.apply()
        await plane.start(progressive(name="one"))
        await plane.stage("shadow", name="one")

        async def start(rollout: rollout_pb2.Rollout) -> None:
            request = rollouts_pb2.StartRequest(rollout=rollout, supersede=True, by="ada@laptop")
            await plane.rollouts.Start(request)

        for wrong in (progressive(name="one"), progressive(name="two", candidate="v9")):
            with pytest.raises(grpc.aio.AioRpcError):
                await start(wrong)
        assert (await plane.rollout("one")).phase == "Progressing"
        await start(progressive(name="two"))
        first = await plane.rollout("one")
        assert (first.phase, first.reason) == ("Aborted", "superseded by a newer rollout of the service")
        assert (await plane.stage("shadow", name="two")).phase == "Progressing"
        last, begin = (await plane.transitions("one"))[-1], (await plane.transitions("two"))[0]
        assert (last.actor, last.by, begin.actor, begin.by) == (
            "supersede",
            "ada@laptop",
            "start",
            "ada@laptop",
        )


async def test_commands_on_what_is_not_there(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        for command in ("Promote", "Pause", "Resume", "Abort", "Retry", "Undo", "RolloutsGet"):
            if command == "RolloutsGet":
                with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
                    await plane.rollout()
                continue
            code, text = await refusal(plane, command)
            assert (code, text) == (grpc.StatusCode.NOT_FOUND, "no rollout is called 'fraud-v2-1'")
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await plane.transitions()


async def test_commands_at_the_wrong_time(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.start(progressive())
        for command in ("Resume", "Retry", "Undo"):
            code, text = await refusal(plane, command)
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert text.startswith("rollout fraud-v2-1: only ")


async def test_a_paused_rollout_goes_on_where_its_clock_stood(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive(BAKED))
        await plane.stage("canary")
        await sidecar.report(live("v2"))
        await plane.bake("canary", 6)
        assert (await ask(plane, "Pause")).phase == "Paused"
        plane.clock.advance(50)
        assert (await ask(plane, "Resume")).phase == "Progressing"
        status = await plane.bake("canary", 3)
        assert status.stages[0].elapsed.seconds == 9
        plane.clock.advance(1)
        await plane.until(lambda status: status.phase == "Succeeded")
        actors = [(step.actor, step.event) for step in await plane.transitions()]
        assert actors[:3] == [("controller", "started"), ("pause", "paused"), ("resume", "resumed")]


async def test_a_promote_goes_on_without_evidence(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        assert (await ask(plane, "Promote")).stages[0].state == "skipped"
        await plane.stage("canary")
        await ask(plane, "Promote", full=True)
        status = await plane.until(lambda status: status.phase == "Succeeded")
        assert [stage.state for stage in status.stages] == ["skipped", "skipped", "passed"]


async def test_an_aborted_rollout_is_retried_from_its_first_stage(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        await sidecar.report(live("v1"), copies("v2"))
        await ask(plane, "Promote")
        await ask(plane, "Abort")
        assert (await plane.service()).service == make_service()
        await plane.apply(make_service(fallback="v3"))
        await ask(plane, "Retry")
        status = await plane.stage("shadow")
        assert (status.stage, status.phase) == (0, "Progressing")
        assert [arm.calls for arm in status.stages[0].arms] == [0, 0, 0]
        assert status.stages[1].state == "pending"
        assert (await plane.service()).service.fallback == "v3"
        await ask(plane, "Abort")
        assert (await plane.service()).service == make_service(fallback="v3")


async def test_a_success_is_undone_unless_the_service_changed_since(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await ask(plane, "Promote", full=True)
        await plane.until(lambda status: status.phase == "Succeeded")
        status = await ask(plane, "Undo")
        assert status.phase == "RolledBack"
        assert (await sidecar.has(status.version)).service == make_service()
        await plane.start(progressive())
        await ask(plane, "Promote", name="fraud-v2-2", full=True)
        await plane.until(lambda status: status.phase == "Succeeded", name="fraud-v2-2")
        await plane.apply(make_service(stable="v3"))
        code, text = await refusal(plane, "Undo", name="fraud-v2-2")
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "was changed since" in text


async def test_a_retry_waits_for_the_other_rollout(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.start(progressive())
        await ask(plane, "Abort")
        await plane.start(progressive())
        code, text = await refusal(plane, "Retry")
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "fraud-v2-2 is under way" in text


async def test_a_retry_that_no_longer_fits_is_refused(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.start(progressive())
        await ask(plane, "Abort")
        await plane.apply(make_service(stable="v2"))
        code, text = await refusal(plane, "Retry")
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "does not fit the service as it is now" in text


async def test_a_rollback_that_is_not_confirmed_says_where(tmp_path: pathlib.Path) -> None:
    async with (
        control_plane(tmp_path) as plane,
        fake_sidecar(plane.address) as sidecar,
        fake_sidecar(
            plane.address, node="pod-2", answers=lambda snapshot: "silent" if snapshot.version == 3 else None
        ),
    ):
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        await ask(plane, "Abort")
        await sidecar.has(3)
        status = await plane.until(lambda status: status.acked == 1)
        assert [each.node for each in status.unconfirmed] == ["pod-2"]


async def test_a_watch_tells_every_change_and_ends_with_the_rollout(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        await plane.start(progressive())
        watch = plane.rollouts.Watch(rollouts_pb2.WatchRequest(name="fraud-v2-1"))
        answers = aiter(watch)
        assert (await anext(answers)).rollout.phase == "Progressing"
        await ask(plane, "Abort")
        phases = [answer.rollout.phase async for answer in answers]
        assert phases == ["Aborted"]


async def test_a_watch_of_nothing_is_not_found(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await plane.rollouts.Watch(rollouts_pb2.WatchRequest(name="ghost")).read()


async def test_rollouts_are_listed_newest_first(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply()
        for _ in range(2):
            await ask(plane, "Abort", name=await plane.start(progressive()))
        for service, names in (("fraud", ["fraud-v2-2", "fraud-v2-1"]), ("spam", [])):
            answer = await plane.rollouts.List(rollouts_pb2.RolloutsListRequest(service=service))
            assert [status.rollout.name for status in answer.rollouts] == names
