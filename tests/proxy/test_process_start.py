"""What a sidecar starts from: the last known good, else its file, else nothing; and what it keeps."""

import contextlib
import json
import pathlib
from collections.abc import AsyncIterator

import pytest
from understudy.v1 import discovery_pb2, service_pb2

from proxy.config.last_known_good import LastKnownGood
from tests.support.callers import caller
from tests.support.discovery import Stream, scripted_control
from tests.support.models import Model, model
from tests.support.processes import Proxy, proxy, sidecar_file
from tests.support.sidecars import route, service

METHOD = "/understudy.v1.PredictionService/Predict"
NOBODY = "127.0.0.1:1"


@pytest.fixture
def state(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "state"


def pushed(what: service_pb2.Service, epoch: int = 3, version: int = 7) -> discovery_pb2.Snapshot:
    return discovery_pb2.Snapshot(epoch=epoch, version=version, service=what)


def two(first: Model, second: Model, to: str) -> service_pb2.Service:
    return service({"v1": first.address, "v2": second.address}, route(weights={to: 1}))


@contextlib.asynccontextmanager
async def two_models() -> AsyncIterator[tuple[Model, Model]]:
    async with model() as first, model() as second:
        yield first, second


async def in_force(one: Proxy) -> tuple[int, int]:
    _, body = await one.get("admin", "/snapshot")
    shown = json.loads(body)
    return shown["epoch"], shown["version"]


async def served_by(one: Proxy) -> str:
    await one.until_ready()
    async with caller(one.listening["data"]) as call:
        reply = await call.unary(METHOD)
        assert reply.ok, reply
        return reply.variant


async def test_a_push_is_kept_and_started_from_when_the_control_service_is_away(
    tmp_path: pathlib.Path, state: pathlib.Path
) -> None:
    async with two_models() as (first, second), scripted_control() as control:
        follows = {"control": control.address, "subscribe": "fraud", "state_dir": str(state)}
        file = sidecar_file(tmp_path, two(first, second, "v1"), **follows)
        async with proxy(file) as one:
            stream = await control.next_stream()
            assert (await stream.next()).epoch == 0
            assert await served_by(one) == "v1"  # from the file, until it is told better
            answer = await stream.ask(pushed(two(first, second, "v2")))
            assert not answer.HasField("error_detail")
            assert await served_by(one) == "v2"
            one.terminate()
            assert await one.ended() == 0
        await control.kill()

        async with proxy(file) as again:  # with the control service away, and against the file
            assert await in_force(again) == (3, 7)
            assert await served_by(again) == "v2"
            (line,) = again.logged("starting from the last known good snapshot")
            assert (line["epoch"], line["version"]) == (3, 7)
            again.terminate()
            assert await again.ended() == 0


async def test_what_is_kept_is_what_was_confirmed(tmp_path: pathlib.Path, state: pathlib.Path) -> None:
    """A confirmed snapshot is on disk; a refused one never is."""
    async with two_models() as (first, second), scripted_control() as control:
        file = sidecar_file(tmp_path, control=control.address, subscribe="fraud", state_dir=str(state))
        async with proxy(file):
            stream = await control.next_stream()
            await stream.next()
            good = pushed(two(first, second, "v1"))
            await stream.ask(good)
            bad = pushed(service({"v1": "no port"}), version=8)
            assert (await stream.ask(bad)).HasField("error_detail")

    assert LastKnownGood(state, "fraud").load() == good


def keep(state: pathlib.Path, snapshot: discovery_pb2.Snapshot, flaw: str) -> None:
    """A snapshot on disk that is not as it should be."""
    kept = LastKnownGood(state, "fraud")
    kept.prepare()
    if flaw == "of another service":
        snapshot.service.name = "spam"
    if flaw == "against a rule":
        snapshot.service.variants[0].target = "no port"
    kept.save(snapshot)
    whole = kept.path.read_bytes()
    cut = {"cut short": whole[:-9], "changed": whole[:-1] + b"x", "empty": b""}
    kept.path.write_bytes(cut.get(flaw, whole))


@pytest.mark.parametrize("flaw", ["cut short", "changed", "of another service", "empty", "against a rule"])
async def test_a_kept_snapshot_with_a_flaw_is_said_and_not_used(
    tmp_path: pathlib.Path, state: pathlib.Path, flaw: str
) -> None:
    async with two_models() as (first, second):
        keep(state, pushed(two(first, second, "v2")), flaw)
        file = sidecar_file(
            tmp_path,
            two(first, second, "v1"),
            control=NOBODY,
            subscribe="fraud",
            state_dir=str(state),
        )
        async with proxy(file) as one:
            assert await in_force(one) == (0, 0)
            assert await served_by(one) == "v1"
            (line,) = one.logged("last known good snapshot refused")

    assert line["level"] == "warning"
    assert line["reason"]


async def test_reports_carry_on_to_the_last_call(tmp_path: pathlib.Path) -> None:
    """What callers saw and what the control service was told are the same numbers."""
    async with model() as server, scripted_control() as control:
        file = sidecar_file(
            tmp_path,
            service({"v1": server.address}, route(weights={"v1": 1})),
            control=control.address,
            subscribe="fraud",
            report_interval="0.05s",
        )
        async with proxy(file) as one, caller(one.listening["data"]) as call:
            stream: Stream = await control.next_stream()
            await stream.next()
            for _ in range(60):
                assert (await call.unary(METHOD)).ok
            one.terminate()
            assert await one.ended() == 0

    reports = control.stored()
    counted = sum(evidence.codes["OK"] for report in reports for evidence in report.evidence)
    assert counted == 60
    assert {report.boot_id for report in reports} == {reports[0].boot_id}
    assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))
