"""An e-value is worth at most 1 on average while its hypothesis is false: summed up exactly, not sampled."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from control.rollout.sequential import RatioTest, Stratum, Tally
from control.rollout.sequential.differences import beyond as difference_beyond
from control.rollout.sequential.differences import within as difference_within
from control.rollout.sequential.mixtures import BEYOND, Grid, log_sum
from control.rollout.sequential.rates import WITHIN, evidence
from control.rollout.sequential.ratios import alternatives

SLACK = 1e-9


def average_of_rate(grid: Grid, bound: float, truth: float, n: int) -> float:
    return math.fsum(
        chance * math.exp(evidence(grid, bound, n, bad)) for bad, chance in enumerate(chances(n, truth))
    )


def chances(n: int, rate: float) -> list[float]:
    """Of 0, 1, … n bad events."""
    return [float(each) for each in stats.binom.pmf(range(n + 1), n, rate)]


@pytest.mark.parametrize("bound", [0.001, 0.01, 0.05, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 7, 60])
def test_at_the_bound_both_sides_of_a_rate_are_worth_exactly_one(bound: float, n: int) -> None:
    assert average_of_rate(BEYOND, bound, bound, n) == pytest.approx(1)
    assert average_of_rate(WITHIN, bound, bound, n) == pytest.approx(1)


# In thousandths: scipy's binomial overflows at rates near the smallest that a float holds.
@given(st.floats(0.001, 0.999), st.integers(0, 1000).map(lambda part: part / 1000), st.integers(1, 60))
def test_a_false_side_of_a_rate_is_never_worth_more_than_one(bound: float, share: float, n: int) -> None:
    below, above = bound * share, bound + (1 - bound) * share

    assert average_of_rate(BEYOND, bound, below, n) <= 1 + SLACK
    assert average_of_rate(WITHIN, bound, above, n) <= 1 + SLACK


@given(st.floats(0.001, 0.999), st.integers(1, 10_000), st.data())
def test_the_evidence_of_a_rate_is_a_mixture_of_binomial_likelihood_ratios(
    bound: float, n: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, n))
    rates = [multiple * bound / (1 - bound + multiple * bound) for multiple in BEYOND.multiples]
    logs = [float(log) for log in stats.binom.logpmf(bad, n, rates) - stats.binom.logpmf(bad, n, bound)]

    expected = special.logsumexp([log + weight for log, weight in zip(logs, BEYOND.log_weights, strict=True)])

    assert evidence(BEYOND, bound, n, bad) == pytest.approx(float(expected), rel=1e-6, abs=1e-6)


def average_of_ratio(factor: float, truth: float, arms: list[tuple[int, int, int]], side: int) -> float:
    """Over all ways in which each stratum's bad events can fall to the candidate. Arms: c, s, bad of both."""
    total = 0.0
    of = [chances(bad, truth * c / (truth * c + s)) for c, s, bad in arms]
    for mine in itertools.product(*(range(bad + 1) for _, _, bad in arms)):
        test, chance = RatioTest(factor), 1.0
        for (c, s, bad), my_bad, each in zip(arms, mine, of, strict=True):
            test = test.seen(Stratum(Tally(c, my_bad), Tally(s, bad - my_bad)))
            chance *= each[my_bad]
        beyond, inside = alternatives(factor)
        edge = len(beyond.multiples)
        logs = test.logs or (0.0,) * (edge + len(inside.multiples))
        log = beyond.mixed(logs[:edge]) if side > 0 else inside.mixed(logs[edge:])
        total += chance * math.exp(log)
    return total


ARMS = [(10, 90, 3), (45, 60, 5), (500, 480, 4)]


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 10.0])
def test_at_the_factor_both_sides_of_a_ratio_are_worth_exactly_one_whatever_the_shares(factor: float) -> None:
    assert average_of_ratio(factor, factor, ARMS, 1) == pytest.approx(1)
    assert average_of_ratio(factor, factor, ARMS, -1) == pytest.approx(1)


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("farther", [1.1, 3.0])
def test_a_false_side_of_a_ratio_is_never_worth_more_than_one(factor: float, farther: float) -> None:
    assert average_of_ratio(factor, factor / farther, ARMS, 1) <= 1 + SLACK
    assert average_of_ratio(factor, factor * farther, ARMS, -1) <= 1 + SLACK


@pytest.mark.parametrize("margin", [0.005, 0.1, -0.05])
@pytest.mark.parametrize("rate", [0.06, 0.3, 0.8])
def test_a_false_side_of_a_difference_is_never_worth_more_than_one(margin: float, rate: float) -> None:
    mine, theirs = 25, 40
    sums = [0.0, 0.0]
    of_mine, of_theirs = chances(mine, rate + margin), chances(theirs, rate)
    for a, b in itertools.product(range(mine + 1), range(theirs + 1)):
        chance = of_mine[a] * of_theirs[b]
        sums[0] += chance * math.exp(difference_beyond((mine, a), (theirs, b), margin))
        sums[1] += chance * math.exp(difference_within((mine, a), (theirs, b), margin))

    assert max(sums) <= 1 + SLACK


@given(st.lists(st.floats(-1000, 700), min_size=1, max_size=20))
def test_sums_of_logarithms_are_those_of_scipy(terms: list[float]) -> None:
    assert log_sum(terms) == pytest.approx(float(special.logsumexp(terms)), abs=1e-9)
