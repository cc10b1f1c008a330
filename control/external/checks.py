"""The rules of a rollout's `metrics`."""

import re
from collections.abc import Collection, Iterable

from understudy.checks import Violation, join
from understudy.checks.control import check_address
from understudy.checks.names import check_choice, check_unique
from understudy.checks.numbers import check_positive_duration, seconds
from understudy.v1 import rollout_pb2

from control.external.asking import NAMES, unknown_placeholders
from control.rollout.sentences import is_own_metric

DEFAULT_INTERVAL = 30.0
DEFAULT_TIMEOUT = 5.0
LONGEST_TIMEOUT = 60.0
ON_NO_ANSWER = ("hold", "fail")
MOST = 16
"""Metrics of one rollout."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,62}")


def check_metrics(
    metrics: Collection[rollout_pb2.ExternalMetric], sentences: Iterable[str], path: str
) -> list[Violation]:
    """What is wrong with them; `sentences` are all that the rollout requires."""
    if len(metrics) > MOST:
        return [Violation(path, f"must be at most {MOST}, got {len(metrics)}")]
    asked = {sentence.split()[0] for sentence in sentences if sentence.split()}
    violations = check_unique([metric.name for metric in metrics], path)
    for index, metric in enumerate(metrics):
        at = f"{path}[{index}]"
        violations += _check_name(metric.name, asked, join(at, "name"))
        violations += _check_source(metric, at)
        violations += check_positive_duration(metric, "interval", at)
        violations += check_positive_duration(metric, "timeout", at)
        if seconds(metric.timeout) > LONGEST_TIMEOUT:
            text = f"must be at most {LONGEST_TIMEOUT:g}s, got {seconds(metric.timeout):g}s"
            violations.append(Violation(join(at, "timeout"), text))
        violations += check_choice(metric.on_no_answer, ON_NO_ANSWER, join(at, "on_no_answer"))
    return violations


def _check_name(name: str, asked: Collection[str], path: str) -> list[Violation]:
    if not _NAME.fullmatch(name):
        text = f"must be a letter, then letters, digits and _ . : - (63 at most), got {name!r}"
        return [Violation(path, text)]
    if is_own_metric(name):
        return [Violation(path, f"{name} is a metric of its own: choose another name")]
    if name not in asked:
        return [Violation(path, f"no criterion asks for {name}: require something of it, or leave it out")]
    return []


def _check_source(metric: rollout_pb2.ExternalMetric, path: str) -> list[Violation]:
    match metric.WhichOneof("source"):
        case "prometheus":
            at = join(path, "prometheus")
            violations = check_address(metric.prometheus.url, join(at, "url"))
            if not metric.prometheus.query.strip():
                violations.append(Violation(join(at, "query"), "is required"))
            for name in unknown_placeholders(metric.prometheus.query):
                text = f"nothing is called {{{{{name}}}}}; there are: {', '.join(NAMES)}"
                violations.append(Violation(join(at, "query"), text))
            return violations
        case "webhook":
            return check_address(metric.webhook.url, join(path, "webhook.url"))
    return [Violation(path, "needs a source: prometheus or webhook")]
