"""From a sidecar's real telemetry to the report: both planes' own code over a real port."""

import pathlib

import grpc
import pytest
from understudy.v1 import services_pb2, telemetry_pb2_grpc

from control.rollout.evidence import match_rate, merge
from proxy.compare.answers import Comparison
from proxy.policy.table import compile_snapshot, static_snapshot
from proxy.stats.ledger import Ledger
from proxy.stats.records import Record
from proxy.telemetry.report import build_report
from tests.support.plane import control_plane
from tests.support.rollouts import make_service


async def test_what_a_sidecar_compared_is_reported(tmp_path: pathlib.Path) -> None:
    ledger, table = Ledger(), compile_snapshot(static_snapshot(make_service()))
    for matches in (True, True, True, False):
        ledger.mirror(table, "predict", "v2", "match" if matches else "mismatch")
        ledger.comparison(table, "predict", "v2", Comparison(matches, max_absolute=0.5), 0.1, "")
    ledger.comparison(table, "predict", "v1", Comparison(matches=True), 0.1, "", noise=True)
    ledger.record(Record(5.0, "predict", "v1", "v2", "1", "2", "mismatch_values", output="score"))
    where = {"node": "n", "boot_id": "b", "sequence": 1, "service": "fraud"}
    report = build_report(ledger.take_window(), {}, start=1.0, end=2.0, **where)
    async with control_plane(tmp_path) as plane, grpc.aio.insecure_channel(plane.address) as channel:
        await plane.apply()
        for _ in range(2):
            await telemetry_pb2_grpc.TelemetryStub(channel).Report(report)
        found = await plane.services.ShadowReport(services_pb2.ShadowReportRequest(service="fraud"))
        with pytest.raises(grpc.aio.AioRpcError, match="no service is called 'spam'"):
            await plane.services.ShadowReport(services_pb2.ShadowReportRequest(service="spam"))
    shadow, itself = found.shadows
    assert (shadow.match_rate, shadow.match_rate_without_noise, shadow.max_absolute) == (0.75, 0.75, 0.5)
    assert (itself.variant, itself.noise, itself.match_rate) == ("v1", True, 1.0)
    assert [each.output for each in found.mismatches] == ["score"]
    assert match_rate(merge([row for row in report.evidence if not row.noise])) == 0.75
