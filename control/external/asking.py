"""What is asked of another system for a metric, and what its answer says. No I/O.

A Prometheus server answers an instant query (`POST /api/v1/query`, its HTTP API's version 1) with a scalar,
or with a vector of which exactly one sample is taken as the answer; a webhook answers `{"value": number}`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from understudy.v1 import rollout_pb2

NAMES = ("rollout", "service", "route", "stage", "stable", "candidate")
"""What a query's placeholders, and a webhook's fields, are called."""

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_QUOTED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class NoAnswer(Exception):
    """There is no number, and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """One HTTP POST, and how its answer is read."""

    url: str
    body: bytes
    content_type: str
    read: Callable[[bytes], float]  # raises NoAnswer


def question_of(metric: rollout_pb2.ExternalMetric, names: Mapping[str, str]) -> Question:
    """How to ask for a metric; `names` has a value for each of `NAMES`."""
    if metric.WhichOneof("source") == "prometheus":
        query = filled(metric.prometheus.query, names)
        url = metric.prometheus.url.rstrip("/") + "/api/v1/query"
        body = urlencode({"query": query}).encode()
        return Question(url, body, "application/x-www-form-urlencoded", read_prometheus)
    body = json.dumps({name: names[name] for name in NAMES}).encode()
    return Question(metric.webhook.url, body, "application/json", read_webhook)


def filled(query: str, names: Mapping[str, str]) -> str:
    """The query with its placeholders filled in, each escaped for a place between double quotes."""
    return _PLACEHOLDER.sub(lambda match: names[match[1]].translate(_QUOTED), query)


def unknown_placeholders(query: str) -> list[str]:
    """What stands between `{{` and `}}` and is no name."""
    return [name for name in _PLACEHOLDER.findall(query) if name not in NAMES]


def read_prometheus(body: bytes) -> float:
    """The number in a query's answer."""
    answer = _object(body)
    if answer.get("status") != "success":
        raise NoAnswer(f"Prometheus: {answer.get('error') or 'no success'}"[:200])
    match answer.get("data"):
        case {"resultType": "scalar", "result": [_, str(text)]}:
            return _finite(_number(text))
        case {"resultType": "vector", "result": [{"value": [_, str(text)]}]}:
            return _finite(_number(text))
        case {"resultType": "vector", "result": []}:
            raise NoAnswer("the query finds no series")
        case {"resultType": "vector", "result": [*series]}:
            raise NoAnswer(f"the query finds {len(series)} series, and must find one")
        case {"resultType": str(kind)}:
            raise NoAnswer(f"the query gives a {kind}, and must give a number"[:200])
    raise NoAnswer("not an answer to a query")


def read_webhook(body: bytes) -> float:
    """The number in a webhook's answer."""
    value = _object(body).get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoAnswer('the answer has no number called "value"')
    try:
        return _finite(float(value))
    except OverflowError:
        raise NoAnswer("a number beyond all bounds") from None


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer("the answer is not JSON") from None
    if not isinstance(answer, dict):
        raise NoAnswer("the answer is not a JSON object")
    return answer


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise NoAnswer(f"not a number: {text!r}"[:200]) from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise NoAnswer(f"the value is {value}")
    return value
