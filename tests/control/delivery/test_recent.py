from understudy.v1 import telemetry_pb2

from control.delivery.recent import Recent
from tests.support.fake_sidecar import copies, live


def reported(*evidence: telemetry_pb2.Evidence) -> telemetry_pb2.TelemetryReportRequest:
    return telemetry_pb2.TelemetryReportRequest(service="fraud", evidence=evidence)


def test_calls_are_summed_over_routes_and_reports() -> None:
    recent = Recent()
    recent.add(reported(live("v1", 30), live("v1", 20, route="rest")), 100.0)
    recent.add(reported(live("v1", 50, errors=10)), 100.5)
    figures, _, match_rate = recent.variant("fraud", "v1", 109.0)
    assert (figures.calls, figures.calls_per_second, figures.error_rate) == (100, 10.0, 0.1)
    assert match_rate is None


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    recent = Recent()
    recent.add(reported(live("v1", 60)), 100.0)
    recent.add(reported(live("v1", 120)), 150.0)
    assert recent.variant("fraud", "v1", 160.0)[0].calls == 180
    figures, _, _ = recent.variant("fraud", "v1", 161.0)
    assert (figures.calls, figures.calls_per_second) == (120, 2.0)


def test_copies_are_counted_apart() -> None:
    recent = Recent()
    recent.add(reported(live("v2", 10), copies("v2", 30, 10)), 100.0)
    figures, mirrored, match_rate = recent.variant("fraud", "v2", 101.0)
    assert (figures.calls, mirrored.calls, match_rate) == (10, 40, 0.75)


def test_nothing_is_known_of_what_was_never_reported() -> None:
    figures, mirrored, match_rate = Recent().variant("fraud", "v1", 1.0)
    assert (figures.calls, mirrored.calls, match_rate) == (0, 0, None)
    assert not figures.HasField("error_rate")
    assert not figures.HasField("latency_p50")
