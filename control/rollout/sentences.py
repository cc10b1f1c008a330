"""The grammar of one `require` sentence.

    sentence := metric comparison bound
    metric   := error_rate | latency_pNN | latency_mean | match_rate | accuracy | score_mean | requests
              | the name of one of the rollout's external `metrics`
    bound    := value | "stable" | "stable" "+" value | "stable" "-" value | "stable" "*" factor

A value is in the metric's own unit: a duration for latencies, a percentage or a ratio for rates, a whole
number for requests, a number for scores and external metrics. What may stray from stable upwards (what is
good when small) takes `+`, the others `-`. What evidence says of a sentence is decided in `verdicts`. A
sentence that could never hold, or that points the wrong way, is refused here, with what would be right.
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass

from understudy.loading.units import parse_duration

from control.rollout.criteria import Absolute, Comparison, Criterion, Metric, OfStable


class BadCriterion(ValueError):
    """A sentence that is not one: where, and what was expected there."""

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(f"column {column}: {problem}")
        self.column = column
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    column: int


_TOKEN = re.compile(r"\s*([<>=!]+|[+*]|-(?=\s)|[^\s<>=!+*]+)")
_PERCENTILE = re.compile(r"latency_p(\d{1,2}(?:\.\d{1,6})?)")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SIGNED = re.compile(r"-?\d+(\.\d+)?")
_SMALL = (Metric.ERROR_RATE, Metric.LATENCY, Metric.LATENCY_MEAN)  # good when small
_LARGE_TO_STABLE = (Metric.ACCURACY, Metric.SCORE_MEAN)  # good when large, and had by stable as well
_SIMPLE = {str(metric): metric for metric in Metric if metric not in (Metric.LATENCY, Metric.EXTERNAL)}
_KNOWN = (
    "error_rate, latency_p50, latency_p95, latency_p99, latency_p99.9, latency_mean, match_rate, accuracy, "
    "score_mean, requests"
)


def parse_criterion(text: str, external: Collection[str] = ()) -> Criterion:
    """Understand a sentence; BadCriterion points into it. `external` are the names of other metrics."""
    tokens = _split(text)
    end = len(text.rstrip()) + 1
    known = ", ".join((_KNOWN, *external))
    token = _take(tokens, end, f"a metric: {known}")
    metric, quantile = _metric(token, known, external)
    sign = _take(tokens, end, "one of <, <=, >, >=")
    comparison = _comparison(sign, metric)
    bound = _bound(tokens, end, metric)
    if tokens:
        raise BadCriterion(tokens[0].column, f"expected the end of the sentence, got {tokens[0].text!r}")
    name = token.text if metric is Metric.EXTERNAL else ""
    criterion = Criterion(text.strip(), metric, quantile, comparison, bound, name)
    _check_can_hold(criterion, sign.column)
    return criterion


def is_own_metric(name: str) -> bool:
    """A metric that the sidecars measure."""
    return name in _SIMPLE or _PERCENTILE.fullmatch(name) is not None


def _split(text: str) -> list[_Token]:
    return [
        _Token(match[0].strip(), match.end() - len(match[0].strip()) + 1) for match in _TOKEN.finditer(text)
    ]


def _take(tokens: list[_Token], end: int, expected: str) -> _Token:
    if not tokens:
        raise BadCriterion(end, f"expected {expected}; the sentence ends here")
    return tokens.pop(0)


def _metric(token: _Token, known: str, external: Collection[str]) -> tuple[Metric, float | None]:
    if token.text in _SIMPLE:
        return _SIMPLE[token.text], None
    match = _PERCENTILE.fullmatch(token.text)
    if match and 0 < float(match[1]) < 100:
        return Metric.LATENCY, round(float(match[1]) / 100, 10)
    if token.text in external:
        return Metric.EXTERNAL, None
    names = [*_SIMPLE, "latency_p99", "latency_p99.9", *external]
    near = difflib.get_close_matches(token.text, names, n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]!r}?" if near else "; other names stand in the rollout's `metrics`"
    raise BadCriterion(token.column, f"expected a metric: {known}, got {token.text!r}{hint}")


def _comparison(token: _Token, metric: Metric) -> Comparison:
    if token.text not in list(Comparison):
        raise BadCriterion(token.column, f"expected one of <, <=, >, >=, got {token.text!r}")
    comparison = Comparison(token.text)
    wants_small = comparison in (Comparison.BELOW, Comparison.AT_MOST)
    if metric is not Metric.EXTERNAL and wants_small != (metric in _SMALL):
        right = "<=" if metric in _SMALL else ">="
        size = "small" if metric in _SMALL else "large"
        problem = f"{metric} is good when it is {size}: expected {right}, got {token.text!r}"
        raise BadCriterion(token.column, problem)
    return comparison


def _bound(tokens: list[_Token], end: int, metric: Metric) -> Absolute | OfStable:
    may_be_relative = metric in (*_SMALL, *_LARGE_TO_STABLE)
    expected = _unit_words(metric) + (", or stable" if may_be_relative else "")
    token = _take(tokens, end, expected)
    if token.text != "stable":
        return Absolute(_value(token, metric, expected))
    if not may_be_relative:
        raise BadCriterion(token.column, f"expected {expected}: {metric} cannot be held against stable")
    if not tokens or tokens[0].text not in ("+", "-", "*"):
        return OfStable()
    sign = tokens.pop(0)
    if sign.text == "*":
        return OfStable(factor=_factor(_take(tokens, end, "a factor such as 1.2")))
    right = "+" if metric in _SMALL else "-"
    if sign.text != right:
        raise BadCriterion(sign.column, f"expected {right!r} or '*': {metric} may stray that way only")
    expected = _unit_words(metric)
    margin = _value(_take(tokens, end, expected), metric, expected)
    return OfStable(margin=margin if right == "+" else -margin)


def _factor(token: _Token) -> float:
    if not _NUMBER.fullmatch(token.text) or float(token.text) <= 0:
        raise BadCriterion(token.column, f"expected a factor above 0 such as 1.2, got {token.text!r}")
    return float(token.text)


def _unit_words(metric: Metric) -> str:
    match metric:
        case Metric.LATENCY | Metric.LATENCY_MEAN:
            return "a duration such as 200ms or 0.2s"
        case Metric.REQUESTS:
            return "a whole number of calls such as 1000"
        case Metric.SCORE_MEAN | Metric.EXTERNAL:
            return "a number such as 0.93"
        case _:
            return "a rate such as 5% or 0.05"


def _value(token: _Token, metric: Metric, expected: str) -> float:
    wrong = BadCriterion(token.column, f"expected {expected}, got {token.text!r}")
    match metric:
        case Metric.LATENCY | Metric.LATENCY_MEAN:
            try:
                seconds = round(parse_duration(token.text), 9)
            except ValueError:
                raise wrong from None
            if seconds <= 0:
                raise BadCriterion(token.column, f"expected a duration above 0, got {token.text!r}")
            return seconds
        case Metric.REQUESTS:
            if not (token.text.isascii() and token.text.isdigit()):
                raise wrong
            return float(token.text)
        case Metric.SCORE_MEAN | Metric.EXTERNAL:
            if not _SIGNED.fullmatch(token.text):
                raise wrong
            return float(token.text)
        case _:
            number = token.text.removesuffix("%")
            if not _NUMBER.fullmatch(number):
                raise wrong
            rate = round(float(number) / 100, 12) if token.text.endswith("%") else float(number)
            if rate > 1:
                hint = f"; did you mean {number}%?" if not token.text.endswith("%") and rate <= 100 else ""
                raise BadCriterion(token.column, f"expected a rate of at most 100%, got {token.text!r}{hint}")
            return rate


def _check_can_hold(criterion: Criterion, column: int) -> None:
    if not isinstance(criterion.bound, Absolute):
        return
    value = criterion.bound.value
    if criterion.metric is Metric.ERROR_RATE and criterion.comparison is Comparison.BELOW and value == 0:
        raise BadCriterion(column, "no rate is below 0: expected <= for `no errors at all`")
    is_rate = criterion.metric in (Metric.MATCH_RATE, Metric.ACCURACY)
    if is_rate and criterion.comparison is Comparison.ABOVE and value == 1:
        raise BadCriterion(column, "no rate is above 100%: expected >=")
