"""What Prometheus scrapes, read back by Prometheus's own parsers."""

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read
from understudy.v1.discovery_pb2 import Snapshot
from understudy.v1.service_pb2 import Service

from proxy.policy.table import compile_snapshot
from proxy.stats.ledger import Ledger
from proxy.telemetry.metrics import Seen, registry

TABLE = compile_snapshot(
    Snapshot(epoch=3, version=17, service=Service(name="fraud", variants=[{"name": "v1", "target": "a:1"}]))
)
SEEN = Seen(TABLE, {"v1": 2}, config_age=1.5, config_rejected=4, control_connected=True)


LABELS = ("variant", "reason", "outcome", "method", "code", "epoch", "version", "le")


def samples(ledger: Ledger, seen: Seen = SEEN) -> dict[tuple[str, ...], float]:
    """Name and label values (but the service's) to value."""
    found = {}
    for family in read(generate_latest(registry(ledger, lambda: seen)).decode()):
        for sample in family.samples:
            labels = [sample.labels[name] for name in LABELS if name in sample.labels]
            found[(sample.name, *labels)] = sample.value
            assert sample.labels["service"] == (seen.table.service if seen.table else "")
    return found


def a_busy_ledger() -> Ledger:
    ledger = Ledger()
    for latency, code in ((0.1, "OK"), (0.25, "OK"), (100.0, "INTERNAL"), (1.0, "CANCELLED")):
        ledger.call(TABLE, "r", "v1", "/a.B/C", code, latency, trace_id=f"{int(latency * 100):032x}")
    ledger.fallback(TABLE, "r", "v2")
    ledger.refused("in_flight")
    ledger.mirror_seen("v3")
    ledger.mirror(TABLE, "r", "v3", "dropped_bytes")
    ledger.totals.sticky_key_too_late = 5
    return ledger


def test_every_fixed_name_and_its_labels():
    found = samples(a_busy_ledger())
    expected = {
        ("understudy_requests_total", "v1", "/a.B/C", "OK"): 2,
        ("understudy_requests_total", "v1", "/a.B/C", "INTERNAL"): 1,
        ("understudy_requests_total", "v1", "/a.B/C", "CANCELLED"): 1,
        ("understudy_request_duration_seconds_count", "v1"): 3,
        ("understudy_request_duration_seconds_sum", "v1"): 100.35,
        ("understudy_request_duration_seconds_bucket", "v1", "0.125"): 1,
        ("understudy_request_duration_seconds_bucket", "v1", "0.25"): 2,
        ("understudy_request_duration_seconds_bucket", "v1", "64.0"): 2,
        ("understudy_request_duration_seconds_bucket", "v1", "+Inf"): 3,
        ("understudy_requests_in_flight", "v1"): 2,
        ("understudy_fallback_total", "v2"): 1,
        ("understudy_refused_total", "in_flight"): 1,
        ("understudy_mirror_total", "v3", "dropped_bytes"): 1,
        ("understudy_mirror_seen_total", "v3"): 1,
        ("understudy_sticky_key_too_late_total",): 5,
        ("understudy_config_info", "3", "17"): 1,
        ("understudy_config_age_seconds",): 1.5,
        ("understudy_config_rejected_total",): 4,
        ("understudy_control_connected",): 1,
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected)


def test_a_sidecar_without_configuration_or_control_service_says_nothing_of_them():
    found = samples(Ledger(), Seen(None, {}, None, 0, None))
    names = {name for name, *_ in found}
    assert not names & {
        "understudy_config_info",
        "understudy_config_age_seconds",
        "understudy_control_connected",
        "understudy_requests_total",
    }
    assert found[("understudy_config_rejected_total",)] == 0


def test_a_lost_control_service_is_zero():
    assert samples(Ledger(), Seen(TABLE, {}, 1.0, 0, False))[("understudy_control_connected",)] == 0


def test_exemplars_stand_at_the_bucket_they_fell_into():
    text = generate_openmetrics(registry(a_busy_ledger(), lambda: SEEN)).decode()
    exemplars = {
        float(sample.labels["le"]): (sample.exemplar.value, sample.exemplar.labels["trace_id"])
        for family in read_openmetrics(text)
        for sample in family.samples
        if sample.exemplar
    }
    assert {bound: value for bound, (value, _) in exemplars.items()} == {
        0.125: 0.1,
        0.25: 0.25,
        float("inf"): 100.0,
    }
    assert exemplars[0.125][1] == f"{10:032x}"


def test_buckets_never_fall():
    ledger = Ledger()
    for index in range(200):
        ledger.call(TABLE, "r", "v1", "/a.B/C", "OK", 1e-5 * 1.1**index)
    found = samples(ledger)
    buckets = [value for (name, *_), value in found.items() if name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 200


@pytest.mark.parametrize("method", ['/a.B/"C"', "/a.B/\n", "/a.B/\\", "/é.B/C", ""])
def test_a_hostile_method_name_does_not_break_the_page(method):
    ledger = Ledger()
    ledger.call(TABLE, "r", "v1", method, "OK", 0.1)
    assert samples(ledger)["understudy_requests_total", "v1", method, "OK"] == 1
    list(read_openmetrics(generate_openmetrics(registry(ledger, lambda: SEEN)).decode()))
