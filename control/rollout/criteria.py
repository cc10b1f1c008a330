"""The grammar of one `require` sentence.

    sentence := metric comparison bound
    metric   := error_rate | latency_pNN | match_rate | accuracy | requests
    bound    := value | "stable" | "stable" "+" value | "stable" "*" factor

A value is in the metric's own unit: a duration for latencies, a percentage or a ratio for rates, a whole
number for requests. What evidence says of a sentence is decided in `verdicts`. A sentence that could never
hold, or that points the wrong way, is refused here, with what would be right.
"""

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum

from understudy.loading.units import format_duration, parse_duration


class Metric(StrEnum):
    """What a criterion measures."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"  # at the criterion's quantile
    MATCH_RATE = "match_rate"
    ACCURACY = "accuracy"
    REQUESTS = "requests"


class Comparison(StrEnum):
    """How the measured value must stand to the bound."""

    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="

    def holds(self, value: float, bound: float) -> bool:
        match self:
            case Comparison.BELOW:
                return value < bound
            case Comparison.AT_MOST:
                return value <= bound
            case Comparison.ABOVE:
                return value > bound
            case Comparison.AT_LEAST:
                return value >= bound


@dataclass(frozen=True, slots=True)
class Absolute:
    """A bound in the metric's own unit: seconds, a ratio from 0 to 1, or a number of calls."""

    value: float


@dataclass(frozen=True, slots=True)
class OfStable:
    """A bound that moves with what stable shows: stable * factor + margin."""

    factor: float = 1.0
    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class Criterion:
    """One sentence, understood."""

    text: str  # as written
    metric: Metric
    quantile: float | None  # of a latency: 0.99 for latency_p99
    comparison: Comparison
    bound: Absolute | OfStable

    @property
    def is_relative(self) -> bool:
        return isinstance(self.bound, OfStable)


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


_TOKEN = re.compile(r"\s*([<>=!]+|[+*]|[^\s<>=!+*]+)")
_PERCENTILE = re.compile(r"latency_p(\d{1,2}(?:\.\d{1,6})?)")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_LATER = ("latency_mean", "score_mean", "external")
_SMALL = (Metric.ERROR_RATE, Metric.LATENCY)  # good when small; the others when large
_SIMPLE = {str(metric): metric for metric in Metric if metric is not Metric.LATENCY}
_KNOWN = "error_rate, latency_p50, latency_p95, latency_p99, latency_p99.9, match_rate, accuracy or requests"


def parse_criterion(text: str) -> Criterion:
    """Understand a sentence; BadCriterion points into it."""
    tokens = _split(text)
    end = len(text.rstrip()) + 1
    metric, quantile = _metric(_take(tokens, end, f"a metric: {_KNOWN}"))
    sign = _take(tokens, end, "one of <, <=, >, >=")
    comparison = _comparison(sign, metric)
    bound = _bound(tokens, end, metric)
    if tokens:
        raise BadCriterion(tokens[0].column, f"expected the end of the sentence, got {tokens[0].text!r}")
    criterion = Criterion(text.strip(), metric, quantile, comparison, bound)
    _check_can_hold(criterion, sign.column)
    return criterion


def describe(criterion: Criterion) -> str:
    """The sentence in its canonical form, which parses to an equal criterion."""
    metric = str(criterion.metric)
    if criterion.quantile is not None:
        metric = f"latency_p{_plain(criterion.quantile * 100)}"
    return f"{metric} {criterion.comparison} {_bound_text(criterion)}"


def _bound_text(criterion: Criterion) -> str:
    match criterion.bound:
        case Absolute(value):
            return _value_text(criterion.metric, value)
        case OfStable(factor=1.0, margin=0.0):
            return "stable"
        case OfStable(factor=1.0, margin=margin):
            return f"stable + {_value_text(criterion.metric, margin)}"
        case OfStable(factor=factor):
            return f"stable * {_plain(factor)}"


def format_value(metric: Metric, value: float) -> str:
    """A measured value as people read it, rounded: `0.42%`, `183ms`, `1200`."""
    match metric:
        case Metric.LATENCY:
            return f"{value * 1e3:.4g}ms"
        case Metric.REQUESTS:
            return f"{value:.0f}"
        case _:
            return f"{value * 100:.4g}%"


def _split(text: str) -> list[_Token]:
    return [
        _Token(match[0].strip(), match.end() - len(match[0].strip()) + 1) for match in _TOKEN.finditer(text)
    ]


def _take(tokens: list[_Token], end: int, expected: str) -> _Token:
    if not tokens:
        raise BadCriterion(end, f"expected {expected}; the sentence ends here")
    return tokens.pop(0)


def _metric(token: _Token) -> tuple[Metric, float | None]:
    if token.text in _SIMPLE:
        return _SIMPLE[token.text], None
    match = _PERCENTILE.fullmatch(token.text)
    if match and 0 < float(match[1]) < 100:
        return Metric.LATENCY, round(float(match[1]) / 100, 10)
    if token.text.startswith(_LATER):
        problem = f"{token.text!r} is not supported by this version; expected {_KNOWN}"
        raise BadCriterion(token.column, problem)
    near = difflib.get_close_matches(token.text, [*_SIMPLE, "latency_p99", "latency_p99.9"], n=1, cutoff=0.7)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise BadCriterion(token.column, f"expected a metric: {_KNOWN}, got {token.text!r}{hint}")


def _comparison(token: _Token, metric: Metric) -> Comparison:
    if token.text not in list(Comparison):
        raise BadCriterion(token.column, f"expected one of <, <=, >, >=, got {token.text!r}")
    comparison = Comparison(token.text)
    wants_small = comparison in (Comparison.BELOW, Comparison.AT_MOST)
    if wants_small != (metric in _SMALL):
        right = "<=" if metric in _SMALL else ">="
        size = "small" if metric in _SMALL else "large"
        problem = f"{metric} is good when it is {size}: expected {right}, got {token.text!r}"
        raise BadCriterion(token.column, problem)
    return comparison


def _bound(tokens: list[_Token], end: int, metric: Metric) -> Absolute | OfStable:
    may_be_relative = metric in _SMALL
    expected = _unit_words(metric) + (", or stable" if may_be_relative else "")
    token = _take(tokens, end, expected)
    if token.text != "stable":
        return Absolute(_value(token, metric, expected))
    if not may_be_relative:
        raise BadCriterion(token.column, f"expected {expected}: {metric} cannot be held against stable")
    if not tokens or tokens[0].text not in ("+", "*"):
        return OfStable()
    sign = tokens.pop(0)
    if sign.text == "+":
        expected = _unit_words(metric)
        return OfStable(margin=_value(_take(tokens, end, expected), metric, expected))
    token = _take(tokens, end, "a factor such as 1.2")
    if not _NUMBER.fullmatch(token.text) or float(token.text) <= 0:
        raise BadCriterion(token.column, f"expected a factor above 0 such as 1.2, got {token.text!r}")
    return OfStable(factor=float(token.text))


def _unit_words(metric: Metric) -> str:
    match metric:
        case Metric.LATENCY:
            return "a duration such as 200ms or 0.2s"
        case Metric.REQUESTS:
            return "a whole number of calls such as 1000"
        case _:
            return "a rate such as 5% or 0.05"


def _value(token: _Token, metric: Metric, expected: str) -> float:
    wrong = BadCriterion(token.column, f"expected {expected}, got {token.text!r}")
    match metric:
        case Metric.LATENCY:
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


def _value_text(metric: Metric, value: float) -> str:
    match metric:
        case Metric.LATENCY:
            return format_duration(value)
        case Metric.REQUESTS:
            return f"{value:.0f}"
        case _:
            return f"{_plain(value * 100)}%"


def _plain(number: float) -> str:
    """A number without exponent or trailing zeros."""
    return f"{round(number, 10):.10f}".rstrip("0").rstrip(".")
