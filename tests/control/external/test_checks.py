"""The rules of a rollout's metrics, each broken once."""

from collections.abc import Sequence
from typing import Any

import pytest

from control.rollout.strategies import check_rollout
from tests.support.rollouts import make_rollout, make_service

HOOK = {"webhook": {"url": "http://127.0.0.1:9/"}}
LOAD = {"name": "load", **HOOK}


def problems(*metrics: dict[str, Any], require: Sequence[str] = ("load < 1",)) -> list[str]:
    rollout = make_rollout(gate="threshold", canary={"require": list(require)}, metrics=[*metrics])
    return [str(each) for each in check_rollout(rollout, make_service())]


def test_a_metric_that_is_asked_for_is_fine() -> None:
    assert problems(LOAD) == []
    query = {"url": "https://host:9090", "query": 'max(load{model="{{candidate}}"})'}
    full = {"name": "load", "prometheus": query, "interval": "10s", "timeout": "60s", "on_no_answer": "fail"}
    assert problems(full) == []


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ({**LOAD, "name": "error_rate"}, "metrics[0].name: error_rate is a metric of its own"),
        ({**LOAD, "name": "latency_p99"}, "metrics[0].name: latency_p99 is a metric of its own"),
        ({**LOAD, "name": "9 x"}, "metrics[0].name: must be a letter"),
        ({**LOAD, "name": "other"}, "metrics[0].name: no criterion asks for other"),
        ({"name": "load"}, "metrics[0]: needs a source"),
        ({"name": "load", "webhook": {"url": "ftp://x"}}, "metrics[0].webhook.url: must be an http:// or"),
        ({"name": "load", "prometheus": {"url": "x", "query": "1"}}, "metrics[0].prometheus.url: must be an"),
        (
            {"name": "load", "prometheus": {"url": "http://x", "query": " "}},
            "metrics[0].prometheus.query: is",
        ),
        (
            {"name": "load", "prometheus": {"url": "http://x", "query": "{{model}}"}},
            "metrics[0].prometheus.query: nothing is called {{model}}; there are: rollout, service",
        ),
        ({**LOAD, "interval": "0s"}, "metrics[0].interval: must be longer than 0s"),
        ({**LOAD, "timeout": "0s"}, "metrics[0].timeout: must be longer than 0s"),
        ({**LOAD, "timeout": "61s"}, "metrics[0].timeout: must be at most 60s, got 61s"),
        ({**LOAD, "on_no_answer": "pass"}, "metrics[0].on_no_answer: "),
    ],
)
def test_a_broken_rule_is_named(metric: dict[str, Any], said: str) -> None:
    assert any(problem.startswith(said) for problem in problems(metric)), problems(metric)


def test_two_of_one_name_and_too_many_are_refused() -> None:
    assert any("load" in problem and problem.startswith("metrics") for problem in problems(LOAD, LOAD))
    many = [{**LOAD, "name": f"load{number}"} for number in range(17)]
    assert problems(*many, require=()) == ["metrics: must be at most 16, got 17"]
