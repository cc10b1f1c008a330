"""What a criterion is: a metric, how it must stand to a bound, and the bound; and each as text.

Sentences are understood in `sentences`; what evidence says of them is decided in `verdicts`.
"""

import functools
from dataclasses import dataclass
from enum import StrEnum

from understudy.loading.units import format_duration


class Metric(StrEnum):
    """What a criterion measures."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"  # at the criterion's quantile
    LATENCY_MEAN = "latency_mean"
    MATCH_RATE = "match_rate"
    ACCURACY = "accuracy"
    SCORE_MEAN = "score_mean"
    REQUESTS = "requests"
    EXTERNAL = "external"  # by the criterion's name

    @property
    def is_reading(self) -> bool:
        """Single values, not events out of a number of calls: no test tells chance from change in them."""
        return self in (Metric.LATENCY_MEAN, Metric.SCORE_MEAN, Metric.REQUESTS, Metric.EXTERNAL)


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
    name: str = ""  # of an external metric

    @property
    def is_relative(self) -> bool:
        return isinstance(self.bound, OfStable)

    @property
    def subject(self) -> str:
        """What is measured, as the sentence says it: `latency_p99`."""
        if self.quantile is not None:
            return f"latency_p{_plain(self.quantile * 100)}"
        return self.name or str(self.metric)


@functools.lru_cache(maxsize=1024)  # every look asks for those of the whole plan
def describe(criterion: Criterion) -> str:
    """The sentence in its canonical form, which parses to an equal criterion."""
    return f"{criterion.subject} {criterion.comparison} {_bound_text(criterion)}"


def _bound_text(criterion: Criterion) -> str:
    match criterion.bound:
        case Absolute(value):
            return _value_text(criterion.metric, value)
        case OfStable(factor=1.0, margin=0.0):
            return "stable"
        case OfStable(factor=1.0, margin=margin):
            sign = "+" if margin > 0 else "-"
            return f"stable {sign} {_value_text(criterion.metric, abs(margin))}"
        case OfStable(factor=factor):
            return f"stable * {_plain(factor)}"


def format_value(metric: Metric, value: float) -> str:
    """A measured value as people read it, rounded: `0.42%`, `183ms`, `1200`."""
    match metric:
        case Metric.LATENCY | Metric.LATENCY_MEAN:
            return f"{value * 1e3:.4g}ms"
        case Metric.REQUESTS:
            return f"{value:.0f}"
        case Metric.SCORE_MEAN | Metric.EXTERNAL:
            return f"{value:.4g}"
        case _:
            return f"{value * 100:.4g}%"


def _value_text(metric: Metric, value: float) -> str:
    match metric:
        case Metric.LATENCY | Metric.LATENCY_MEAN:
            return format_duration(value)
        case Metric.REQUESTS:
            return f"{value:.0f}"
        case Metric.SCORE_MEAN | Metric.EXTERNAL:
            return _plain(value)
        case _:
            return f"{_plain(value * 100)}%"


def _plain(number: float) -> str:
    """A number without exponent or trailing zeros."""
    return f"{round(number, 10):.10f}".rstrip("0").rstrip(".")
