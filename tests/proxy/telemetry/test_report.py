import pytest
from google.protobuf import text_format
from understudy.v1.discovery_pb2 import Snapshot
from understudy.v1.telemetry_pb2 import Evidence, Exemplar, TelemetryReportRequest

from proxy.compare.answers import Comparison
from proxy.engines.engine import Liveness
from proxy.policy.table import compile_snapshot
from proxy.stats.histogram import SCALE, bucket_of
from proxy.stats.ledger import Ledger, Window
from proxy.telemetry.report import build_report

TEXT = """epoch: 3 version: 17 latency_bounds { nanos: 250000000 } latency_bounds { nanos: 100000000 }
service { name: "fraud" variants { name: "v1" target: "a:1" } variants { name: "v2" target: "a:2" } }"""
TABLE = compile_snapshot(text_format.Parse(TEXT, Snapshot()))


def a_report(window: Window, liveness: dict[str, Liveness] | None = None) -> TelemetryReportRequest:
    return build_report(
        window,
        liveness or {},
        node="pod-a",
        boot_id="b",
        sequence=4,
        service="fraud",
        start=1_767_225_600.25,
        end=1_767_225_601.5,
    )


def test_an_empty_window_is_a_report_all_the_same():
    report = a_report(
        Window(), {"v1": Liveness(True), "v2": Liveness(False, "refused"), "v3": Liveness(None, "?")}
    )
    assert (report.node, report.boot_id, report.sequence, report.service) == ("pod-a", "b", 4, "fraud")
    assert report.window_start.ToNanoseconds() == pytest.approx(1_767_225_600_250_000_000, abs=1000)
    assert report.window_end.ToNanoseconds() == pytest.approx(1_767_225_601_500_000_000, abs=1000)
    assert (len(report.evidence), len(report.exemplars)) == (0, 0)
    assert [(one.variant, one.live, one.reason) for one in report.variants] == [
        ("v1", True, ""),
        ("v2", False, "refused"),
        ("v3", False, "?"),
    ]


def test_live_evidence_is_what_the_ledger_saw():
    ledger = Ledger()
    for latency, code in ((0.05, "OK"), (0.2, "OK"), (0.4, "INTERNAL"), (9.0, "CANCELLED")):
        ledger.call(TABLE, "r", "v1", "/a.B/C", code, latency, trace_id="ab" * 16)
    ledger.fallback(TABLE, "r", "v1")
    report = a_report(ledger.take_window())
    (evidence,) = report.evidence
    assert (evidence.route, evidence.variant, evidence.mirrored) == ("r", "v1", False)
    assert (evidence.epoch, evidence.version, evidence.fallbacks) == (3, 17, 1)
    assert evidence.codes == {"OK": 2, "INTERNAL": 1, "CANCELLED": 1}
    assert [(one.bound.ToMilliseconds(), one.count, one.beside) for one in evidence.slow] == [
        (100, 3, 1),
        (250, 2, 1),
    ]
    assert not evidence.HasField("comparisons")
    assert (evidence.latency.count, evidence.latency.scale, evidence.latency.offset) == (
        3,
        SCALE,
        bucket_of(0.05),
    )
    assert sum(evidence.latency.bucket_counts) == 3
    assert evidence.latency.sum == pytest.approx(0.65)


def test_mirrored_evidence_carries_outcomes_and_comparisons():
    ledger = Ledger()
    ledger.mirror(TABLE, "r", "v2", "match")
    ledger.mirror(TABLE, "r", "v2", "mismatch")
    ledger.mirror_answer(TABLE, "r", "v2", "OK", 0.1, "cd" * 16)
    ledger.comparison(TABLE, "r", "v2", Comparison(True), 0.1, "")
    ledger.comparison(TABLE, "r", "v2", Comparison(False, "x", "y", 0.5, 2.0), 0.1, "cd" * 16)
    (evidence,) = a_report(ledger.take_window()).evidence
    assert evidence.mirrored
    assert evidence.mirror_outcomes == {"match": 1, "mismatch": 1}
    compared = evidence.comparisons
    assert (compared.matched, compared.mismatched, compared.max_absolute, compared.max_relative) == (
        1,
        1,
        0.5,
        2.0,
    )


def test_exemplars_carry_their_time_and_latency_and_nothing_of_the_caller_s():
    ledger = Ledger()
    ledger.call(TABLE, "r", "v1", "/a.B/C", "INTERNAL", 0.125, trace_id="ab" * 16)
    report = a_report(ledger.take_window())
    (one,) = report.exemplars
    assert (one.kind, one.code, one.route, one.variant, one.trace_id) == (
        "failed",
        "INTERNAL",
        "r",
        "v1",
        "ab" * 16,
    )
    assert one.latency.ToMilliseconds() == 125
    assert one.time == report.window_end
    assert {field.name for field in Exemplar.DESCRIPTOR.fields} == {
        *("trace_id", "route", "variant", "mirrored", "kind", "code", "latency", "time")
    }


def test_the_same_window_is_the_same_bytes_so_that_a_resent_report_is_the_same():
    ledger = Ledger()
    for code in ("OK", "INTERNAL", "UNKNOWN"):
        ledger.call(TABLE, "r", "v1", "/a.B/C", code, 0.1)
    window = ledger.take_window()
    first, second = (a_report(window).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_arms_of_two_configurations_are_two_rows():
    ledger = Ledger()
    newer = text_format.Parse(TEXT, Snapshot())
    newer.version = 18
    for table in (TABLE, compile_snapshot(newer)):
        ledger.call(table, "r", "v1", "/a.B/C", "OK", 0.1)
    rows: list[Evidence] = list(a_report(ledger.take_window()).evidence)
    assert sorted(row.version for row in rows) == [17, 18]


def test_the_calls_of_users_are_reported_by_bucket():
    ledger = Ledger()
    ledger.call(TABLE, "r", "v1", "/a.B/C", "OK", 0.05)
    ledger.call(TABLE, "r", "v1", "/a.B/C", "INTERNAL", 0.2, bucket=7)
    ledger.fallback(TABLE, "r", "v1", 7)
    (evidence,) = a_report(ledger.take_window()).evidence
    (users,) = evidence.buckets
    assert (users.bucket, users.codes, users.fallbacks) == (7, {"INTERNAL": 1}, 1)
    assert [(one.bound.ToMilliseconds(), one.count, one.beside) for one in users.slow] == [(100, 1, 0)]
