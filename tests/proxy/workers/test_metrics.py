"""Metrics of several workers: sums that hold, whatever the workers do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proxy.workers.metrics import Families, Sums, merge, parse, render

NASTY = 'a "quoted" name, with {braces}, a \\ and\na line } 3 # {x="y"} 1'


def shown(calls: dict[str, int], in_flight: int = 0, connected: int = 1, age: float = 0.0) -> Families:
    """What one worker with so many calls by variant shows."""
    registry = CollectorRegistry()
    counter = Counter("understudy_requests", "Calls.", ["variant", "method"], registry=registry)
    took = Histogram("understudy_took", "Time.", ["variant"], registry=registry, buckets=(1, 2))
    for variant, count in calls.items():
        counter.labels(variant, NASTY).inc(count)
        for _ in range(count):
            took.labels(variant).observe(1.5, {"trace_id": "t"})
    Gauge("understudy_requests_in_flight", "Now.", registry=registry).set(in_flight)
    Gauge("understudy_control_connected", "There.", registry=registry).set(connected)
    Gauge("understudy_config_age_seconds", "Old.", registry=registry).set(age)
    text = generate_latest(registry).decode()
    return parse("\n".join(line for line in text.split("\n") if "_created{" not in line))


def read(text: str) -> dict[tuple[str, ...], float]:
    """What Prometheus' own parser finds."""
    return {
        (sample.name, *(value for value in sample.labels.values() if value != NASTY)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counts(families: Families) -> dict[tuple[str, ...], float]:
    return read(render(families, is_open=False))


def test_what_is_read_is_written_again():
    families = shown({"v1": 3, "v2": 1})
    again = render(families, is_open=True)
    assert parse(again) == families
    assert again.endswith("# EOF\n")
    assert 'trace_id="t"' in again
    older = render(families, is_open=False)
    assert "trace_id" not in older
    assert "# TYPE understudy_requests_total counter" in older
    assert read(older)["understudy_requests_total", "v1"] == 3


def test_counters_and_histograms_are_summed_and_each_gauge_has_its_rule():
    found = counts(merge([shown({"v1": 3}, 5, 1, 7.0), shown({"v1": 4, "v2": 1}, 6, 0, 2.0)]))
    assert found["understudy_requests_total", "v1"] == 7
    assert found["understudy_requests_total", "v2"] == 1
    assert found["understudy_took_bucket", "2.0", "v1"] == 7
    assert found["understudy_took_sum", "v1"] == 10.5
    assert found["understudy_requests_in_flight",] == 11
    assert found["understudy_control_connected",] == 0
    assert found["understudy_config_age_seconds",] == 7


def test_a_worker_that_ended_leaves_its_counts_and_no_gauges():
    sums = Sums()
    sums.take(0, 100, shown({"v1": 3}, in_flight=2))
    sums.take(1, 101, shown({"v1": 4}, in_flight=1))
    found = counts(sums.all({101}))
    assert found["understudy_requests_total", "v1"] == 7
    assert found["understudy_requests_in_flight",] == 1
    sums.take(0, 102, shown({"v2": 1}, in_flight=5))
    found = counts(sums.all({101, 102}))
    assert found["understudy_requests_total", "v1"] == 7
    assert found["understudy_requests_total", "v2"] == 1
    assert found["understudy_requests_in_flight",] == 6


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 3)), max_size=12))
def test_the_sums_never_fall_and_are_what_was_shown(steps):
    """Each step: a worker, whether it was started anew before, and calls that it has had since."""
    sums, lives, alive, total, before = Sums(), [0, 0, 0], [0, 0, 0], 0, 0.0
    for number, is_new, calls in steps:
        if is_new:
            lives[number] += 1
            alive[number] = 0
        alive[number] += calls
        total += calls
        sums.take(number, number + 10 * lives[number], shown({"v1": alive[number]}))
        found = counts(sums.all(set())).get(("understudy_requests_total", "v1"), 0.0)
        assert found == total
        assert found >= before
        before = found


@pytest.mark.parametrize("text", ["no metrics", "a_total 1\n", '# TYPE a counter\na_total{b="c} 1\n'])
def test_anything_else_is_an_error(text):
    with pytest.raises(ValueError, match="is no sample"):
        parse(text)
