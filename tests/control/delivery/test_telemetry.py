"""Reports over a real port."""

import pathlib

import grpc
import pytest
from sqlalchemy.exc import OperationalError
from understudy.v1 import services_pb2, telemetry_pb2

from control.delivery.telemetry import check_report
from control.store.evidence import EvidenceLog
from control.times import to_timestamp
from tests.support.fake_sidecar import copies, fake_sidecar, health, live
from tests.support.plane import control_plane
from tests.support.rollouts import progressive


def report(**fields: object) -> telemetry_pb2.TelemetryReportRequest:
    return telemetry_pb2.TelemetryReportRequest(
        **{"node": "n", "boot_id": "b", "sequence": 1, "service": "fraud", **fields}
    )


async def test_a_report_that_is_sent_again_counts_once(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        sent = await sidecar.report(live("v1", 70), copies("v2", 30))
        await sidecar.send(sent)
        await sidecar.send(sent)
        await sidecar.report(live("v1", 1))
        status = await plane.until(lambda status: status.stages[0].arms[0].calls >= 71)
        assert [arm.calls for arm in status.stages[0].arms] == [71, 0, 30]


async def test_a_report_that_cannot_be_kept_is_to_be_sent_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take(*_: object) -> bool:
        raise OperationalError("INSERT", {}, OSError("database or disk is full"))

    monkeypatch.setattr(EvidenceLog, "take", take)
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        with pytest.raises(grpc.aio.AioRpcError, match="disk is full") as found:
            await sidecar.send(report())
        assert found.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_evidence_from_before_a_stage_is_not_the_stage_s(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await sidecar.has(1)
        await plane.start(progressive())
        await plane.stage("shadow")
        old = live("v1", 500)
        old.epoch, old.version = 1, 1
        await sidecar.report(old)
        await sidecar.report(live("v1", 5))
        status = await plane.until(lambda status: status.stages[0].arms[0].calls > 0)
        assert status.stages[0].arms[0].calls == 5


async def test_the_last_minute_and_health_are_shown(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await plane.apply()
        await sidecar.has(1)
        await sidecar.report(
            live("v1", 90, errors=9), copies("v2", 30, 10), variants=health(v1=True, v2=False)
        )
        plane.clock.advance(8)
        v1, v2, v3 = (await plane.service()).variants
        assert (v1.live.calls, v1.live.calls_per_second, v1.live.error_rate) == (90, 10.0, 0.1)
        assert (v1.live_at, v1.seen_by, v2.live_at, v2.seen_by, v3.seen_by) == (1, 1, 0, 1, 0)
        assert (v2.mirrored.calls, v2.match_rate) == (40, 0.75)
        assert not v3.live.HasField("latency_p99")
        plane.clock.advance(60)
        assert (await plane.service()).variants[0].live.calls == 0


async def test_exemplars_are_shown_with_the_stage(tmp_path: pathlib.Path) -> None:
    async with (
        control_plane(tmp_path, trace_url="http://x/{trace_id}") as plane,
        fake_sidecar(plane.address) as sidecar,
    ):
        await plane.apply()
        await plane.start(progressive())
        await plane.stage("shadow")
        exemplars = [
            telemetry_pb2.Exemplar(trace_id=str(index), route="predict", variant=variant, kind=kind)
            for index, (variant, kind) in enumerate([("v1", "slow"), ("v2", "failed"), ("v3", "slow")])
        ]
        await sidecar.report(exemplars=exemplars)
        status = await plane.rollout()
        assert [each.trace_id for each in status.exemplars] == ["0", "1"]
        assert status.trace_url == "http://x/{trace_id}"


async def test_a_report_that_breaks_a_rule_is_refused(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        with pytest.raises(grpc.aio.AioRpcError, match="sequence: must be from 1") as found:
            await sidecar.send(report(sequence=0))
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_report_of_a_service_that_is_not_known_is_kept(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await sidecar.report(live("v1"), service="static")
        assert list((await plane.services.List(services_pb2.ServicesListRequest())).services) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"node": ""}, "node"),
        ({"boot_id": ""}, "boot_id"),
        ({"service": "No Name"}, "service"),
        ({"sequence": 2**63}, "sequence"),
        ({"window_start": to_timestamp(2), "window_end": to_timestamp(1)}, "window_end"),
        ({"evidence": [telemetry_pb2.Evidence()]}, "evidence[0].variant"),
        ({"evidence": [telemetry_pb2.Evidence(variant="v1", version=2**63)]}, "evidence[0].version"),
        (
            {
                "evidence": [
                    telemetry_pb2.Evidence(variant="v1", outcomes=telemetry_pb2.OutcomeCounts(right=9))
                ]
            },
            "evidence[0].outcomes",
        ),
        (
            {"evidence": [telemetry_pb2.Evidence(variant="v1", readings=[telemetry_pb2.Reading()])]},
            "evidence[0].outcomes",
        ),
        (
            {"evidence": [telemetry_pb2.Evidence(variant="v1", latency=telemetry_pb2.Histogram(count=3))]},
            "evidence[0].latency",
        ),
        ({"exemplars": [telemetry_pb2.Exemplar()] * 10_001}, "evidence"),
    ],
)
def test_what_a_report_must_keep(fields: dict[str, object], field: str) -> None:
    assert [found.field for found in check_report(report(**fields))] == [field]
