"""The grammar: what is understood, and where a sentence goes wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.rollout.criteria import (
    Absolute,
    Comparison,
    Metric,
    OfStable,
    describe,
    format_value,
)
from control.rollout.sentences import BadCriterion, parse_criterion

EXTERNAL = ("queue_depth", "revenue")


@pytest.mark.parametrize(
    ("text", "metric", "quantile", "comparison", "bound"),
    [
        ("error_rate <= stable + 0.5%", "error_rate", None, "<=", OfStable(margin=0.005)),
        ("error_rate <= stable * 2", "error_rate", None, "<=", OfStable(factor=2)),
        ("error_rate < 0.01", "error_rate", None, "<", Absolute(0.01)),
        ("error_rate <= 0", "error_rate", None, "<=", Absolute(0)),
        ("latency_p99 < 200ms", "latency", 0.99, "<", Absolute(0.2)),
        ("latency_p50<0.2s", "latency", 0.5, "<", Absolute(0.2)),
        ("  latency_p99.9   <=   stable*1.2 ", "latency", 0.999, "<=", OfStable(factor=1.2)),
        ("latency_p95 <= stable + 20ms", "latency", 0.95, "<=", OfStable(margin=0.02)),
        ("latency_p95 <= stable", "latency", 0.95, "<=", OfStable()),
        ("match_rate >= 95%", "match_rate", None, ">=", Absolute(0.95)),
        ("accuracy > 0.93", "accuracy", None, ">", Absolute(0.93)),
        ("requests >= 1000", "requests", None, ">=", Absolute(1000)),
        ("latency_mean <= stable * 1.1", "latency_mean", None, "<=", OfStable(factor=1.1)),
        ("latency_mean < 50ms", "latency_mean", None, "<", Absolute(0.05)),
        ("accuracy >= stable - 1%", "accuracy", None, ">=", OfStable(margin=-0.01)),
        ("score_mean >= stable - 0.5", "score_mean", None, ">=", OfStable(margin=-0.5)),
        ("score_mean > -0.25", "score_mean", None, ">", Absolute(-0.25)),
        ("queue_depth < 30", "external", None, "<", Absolute(30)),
        ("revenue >= -2.5", "external", None, ">=", Absolute(-2.5)),
    ],
)
def test_sentences_that_are_understood(
    text: str, metric: str, quantile: float | None, comparison: str, bound: Absolute | OfStable
) -> None:
    found = parse_criterion(text, EXTERNAL)
    assert (found.metric, found.quantile, found.comparison, found.bound) == (
        metric,
        quantile,
        comparison,
        bound,
    )
    assert found.text == text.strip()
    assert found.is_relative == isinstance(bound, OfStable)


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "expected a metric: error_rate"),
        ("eror_rate < 1%", 1, "did you mean 'error_rate'?"),
        ("latency_p100 < 1s", 1, "got 'latency_p100'"),
        ("latency_p0 < 1s", 1, "got 'latency_p0'"),
        ("external > 3", 1, "got 'external'; other names stand in the rollout's `metrics`"),
        ("p95_queue > 3", 1, "score_mean, requests, queue_depth, revenue, got 'p95_queue'"),
        ("queue_dept > 3", 1, "did you mean 'queue_depth'?"),
        ("queue_depth > stable", 15, "external cannot be held against stable"),
        ("queue_depth < 5%", 15, "expected a number such as 0.93, got '5%'"),
        ("latency_mean >= 1s", 14, "latency_mean is good when it is small: expected <="),
        ("latency_mean <= 3", 17, "expected a duration such as 200ms or 0.2s, or stable, got '3'"),
        ("score_mean < 3", 12, "score_mean is good when it is large: expected >="),
        ("error_rate", 11, "expected one of <, <=, >, >=; the sentence ends here"),
        ("error_rate == 1%", 12, "expected one of <, <=, >, >=, got '=='"),
        ("error_rate 1%", 12, "expected one of <, <=, >, >=, got '1%'"),
        ("error_rate >= 1%", 12, "error_rate is good when it is small: expected <=, got '>='"),
        ("latency_p99 > 1s", 13, "latency is good when it is small: expected <="),
        ("match_rate < 95%", 12, "match_rate is good when it is large: expected >="),
        ("requests < 10", 10, "requests is good when it is large: expected >="),
        ("error_rate <=", 14, "expected a rate such as 5% or 0.05, or stable; the sentence ends here"),
        ("error_rate <= 200ms", 15, "expected a rate such as 5% or 0.05, or stable, got '200ms'"),
        ("error_rate <= -1%", 15, "got '-1%'"),
        ("error_rate <= nan", 15, "got 'nan'"),
        ("match_rate >= 95", 15, "expected a rate of at most 100%, got '95'; did you mean 95%?"),
        ("match_rate >= 950%", 15, "expected a rate of at most 100%, got '950%'"),
        ("match_rate >= stable", 15, "match_rate cannot be held against stable"),
        ("accuracy > stable + 1%", 19, "expected '-' or '*': accuracy may stray that way only"),
        ("requests >= stable", 13, "requests cannot be held against stable"),
        ("requests >= 1.5", 13, "expected a whole number of calls such as 1000, got '1.5'"),
        ("latency_p99 < 5%", 15, "expected a duration such as 200ms or 0.2s, or stable, got '5%'"),
        ("latency_p99 < 0ms", 15, "expected a duration above 0, got '0ms'"),
        ("error_rate <= stable +", 23, "expected a rate such as 5% or 0.05; the sentence ends here"),
        ("error_rate <= stable * 0", 24, "expected a factor above 0 such as 1.2, got '0'"),
        ("error_rate <= stable * 10%", 24, "expected a factor above 0 such as 1.2, got '10%'"),
        ("error_rate <= stable - 1%", 22, "expected '+' or '*': error_rate may stray that way only"),
        ("error_rate <= 1% please", 18, "expected the end of the sentence, got 'please'"),
        ("error_rate < 0%", 12, "no rate is below 0: expected <="),
        ("match_rate > 100%", 12, "no rate is above 100%: expected >="),
    ],
)
def test_sentences_that_are_not_say_where(text: str, column: int, problem: str) -> None:
    with pytest.raises(BadCriterion) as caught:
        parse_criterion(text, EXTERNAL)
    assert caught.value.column == column
    assert problem in str(caught.value)
    assert str(caught.value).startswith(f"column {column}: ")


rates = st.integers(1, 9999).map(lambda n: f"{n / 100:g}%")
scores = st.integers(0, 10**6).map(lambda n: f"{n / 1000:g}")
durations = st.integers(1, 10**6).map(lambda n: f"{n}ms")


@given(
    st.one_of(
        st.tuples(st.sampled_from(["error_rate <=", "match_rate >=", "error_rate <= stable +"]), rates),
        st.tuples(st.sampled_from(["latency_p50 <", "latency_p99.9 <= stable +"]), durations),
        st.tuples(st.sampled_from(["error_rate < stable *", "latency_p95 < stable *"]), st.just("1.25")),
        st.tuples(st.just("requests >="), st.integers(0, 10**9).map(str)),
        st.tuples(st.sampled_from(["accuracy >= stable -", "accuracy >="]), rates),
        st.tuples(st.sampled_from(["score_mean >= stable -", "revenue >", "queue_depth <"]), scores),
    )
)
def test_the_canonical_text_says_the_same(parts: tuple[str, str]) -> None:
    criterion = parse_criterion(" ".join(parts), EXTERNAL)
    again = parse_criterion(describe(criterion), EXTERNAL)
    assert (again.metric, again.quantile, again.comparison) == (
        criterion.metric,
        criterion.quantile,
        criterion.comparison,
    )
    assert again.bound == criterion.bound
    assert describe(again) == describe(criterion)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text: str) -> None:
    column = 1
    try:
        parse_criterion(text)
    except BadCriterion as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


def test_canonical_text() -> None:
    assert describe(parse_criterion("accuracy   >0.93")) == "accuracy > 93%"
    assert describe(parse_criterion("latency_p99<0.2s")) == "latency_p99 < 200ms"
    assert describe(parse_criterion("latency_p99 <= stable")) == "latency_p99 <= stable"


@pytest.mark.parametrize(
    ("comparison", "below", "equal", "above"),
    [
        ("<", True, False, False),
        ("<=", True, True, False),
        (">", False, False, True),
        (">=", False, True, True),
    ],
)
def test_comparisons(comparison: str, *, below: bool, equal: bool, above: bool) -> None:
    holds = Comparison(comparison).holds
    assert (holds(1, 2), holds(2, 2), holds(3, 2)) == (below, equal, above)


def test_values_are_shown_in_the_metrics_unit() -> None:
    assert format_value(Metric.LATENCY, 0.18342) == "183.4ms"
    assert format_value(Metric.ERROR_RATE, 0.0042) == "0.42%"
    assert format_value(Metric.REQUESTS, 1200.0) == "1200"
