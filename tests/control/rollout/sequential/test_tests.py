"""What holds of every test, whatever it is fed; and oracles for the formulas."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import betaln

from control.rollout.histogram import Histogram
from control.rollout.sequential import (
    DifferenceTest,
    Finding,
    QuantileTest,
    RateTest,
    RatioTest,
    Stratum,
    Tally,
)
from control.rollout.sequential.differences import beyond, within
from control.rollout.sequential.mixtures import BEYOND, log_sum
from control.rollout.sequential.planning import calls_for_difference, calls_for_rate, calls_for_ratio
from control.rollout.sequential.rates import WITHIN, evidence
from tests.support.rollouts import histogram

COUNTED = [
    RateTest(0.01),
    RateTest(0.0),
    RateTest(1.0),
    RatioTest(2.0),
    RatioTest(1.0),
    DifferenceTest(0.005),
]
tallies = st.integers(0, 300).flatmap(
    lambda n: st.integers(0, n).map(lambda bad: Tally(n, bad, {bad % 64: (n, bad)} if n else {}))
)
strata = st.lists(st.builds(Stratum, candidate=tallies, other=tallies), max_size=12)


@pytest.mark.parametrize("test", COUNTED)
@given(fed=strata, alpha=st.floats(1e-6, 0.5))
def test_any_counts_come_to_a_sound_decision(test, fed, alpha):
    for stratum in fed:
        test = test.seen(stratum)

    decision = test.judge(alpha)

    assert not math.isnan(decision.beyond)
    assert not math.isnan(decision.within)
    assert decision.discount >= 1
    assert (decision.finding is Finding.BEYOND) <= (decision.beyond >= decision.limit)
    assert (decision.finding is Finding.WITHIN) <= (decision.within >= decision.limit)


@pytest.mark.parametrize("test", [*COUNTED, QuantileTest(0.99, 1.2)])
def test_no_data_decides_nothing(test):
    for seen in (test, test.seen(Stratum())):
        assert seen.judge(0.05).finding is Finding.UNDECIDED
        assert seen.judge(0.05).estimate is None


@given(n=st.integers(1, 5000), bad=st.integers(0, 50), bound=st.floats(0.001, 0.5))
def test_more_bad_events_are_more_evidence_of_being_beyond(n, bad, bound):
    bad = min(bad, n - 1)

    assert evidence(BEYOND, bound, n, bad + 1) >= evidence(BEYOND, bound, n, bad)
    assert evidence(WITHIN, bound, n, bad + 1) <= evidence(WITHIN, bound, n, bad)


@pytest.mark.parametrize(("n", "rate"), [*product((1, 7, 40), (0.01, 0.3))])
@pytest.mark.parametrize("grid", [BEYOND, WITHIN])
def test_at_the_boundary_the_evidence_is_worth_one_on_average(grid, n, rate):
    """An e-value's mean under the boundary is 1, over every number of bad events there can be."""
    mean = sum(stats.binom.pmf(bad, n, rate) * math.exp(evidence(grid, rate, n, bad)) for bad in range(n + 1))

    assert mean == pytest.approx(1.0)


@pytest.mark.parametrize("true_rate", [0.001, 0.005, 0.0099])
def test_inside_the_boundary_it_is_worth_less(true_rate):
    mean = sum(
        stats.binom.pmf(bad, 40, true_rate) * math.exp(evidence(BEYOND, 0.01, 40, bad)) for bad in range(41)
    )

    assert mean < 1


@pytest.mark.parametrize(
    ("calls", "factor", "bad"), [*product([(10, 90), (50, 50), (300, 20)], (1.0, 2.0), (1, 6))]
)
def test_a_ratio_is_worth_one_on_average_given_the_bad_events(calls, factor, bad):
    mine, theirs = calls
    chance = factor * mine / (factor * mine + theirs)
    before = RatioTest(factor)
    size = len(BEYOND.multiples)
    means = [0.0] * size
    for on_candidate in range(bad + 1):
        seen = before.seen(Stratum(Tally(mine, on_candidate), Tally(theirs, bad - on_candidate)))
        weight = stats.binom.pmf(on_candidate, bad, chance)
        means = [mean + weight * math.exp(log) for mean, log in zip(means, seen.logs[:size], strict=True)]

    assert means == pytest.approx([1.0] * size)


@given(first=st.lists(tallies, min_size=6, max_size=6), shares=st.permutations(range(3)))
def test_the_order_of_strata_does_not_matter_to_a_ratio(first, shares):
    fed = [Stratum(first[2 * place], first[2 * place + 1]) for place in range(3)]
    straight, shuffled = RatioTest(2.0), RatioTest(2.0)
    for stratum in fed:
        straight = straight.seen(stratum)
    for place in shares:
        shuffled = shuffled.seen(fed[place])

    assert shuffled.logs == pytest.approx(straight.logs)


def test_a_difference_divides_the_average_likelihood_by_the_largest_of_its_hypothesis():
    mine, theirs, margin = (400, 12), (600, 3), 0.005

    def marginal(cell, prior):
        return betaln(prior[0] + cell[1], prior[1] + cell[0] - cell[1]) - betaln(*prior)

    average = log_sum(
        [
            math.log(0.5) + marginal(mine, prior) + marginal(theirs, prior)
            for prior in ((0.5, 0.5), (0.5, 20.0))
        ]
    )
    largest = max(
        12 * math.log(rate + margin)
        + 388 * math.log1p(-rate - margin)
        + 3 * math.log(rate)
        + 597 * math.log1p(-rate)
        for rate in (step / 200_000 for step in range(1, 20_000))
    )

    assert beyond(mine, theirs, margin) == pytest.approx(average - largest, abs=1e-6)
    assert within(mine, theirs, margin) < 0


def test_changing_shares_count_by_the_calls_that_were_observed():
    """Nine times the calls and nine times the errors is no worse candidate."""
    test = RatioTest(2.0)
    for calls in ((100, 900), (900, 100)) * 20:
        test = test.seen(Stratum(Tally(calls[0], calls[0] // 50), Tally(calls[1], calls[1] // 50)))

    assert test.judge(0.05).estimate == pytest.approx(1.0)
    assert test.judge(0.05).finding is Finding.WITHIN


def test_one_user_who_always_fails_is_one_failure():
    test = RatioTest(2.0)
    for _ in range(60):
        buckets = {bucket: (5, 5 if bucket == 3 else 0) for bucket in range(20)}
        test = test.seen(Stratum(Tally(100, 5, buckets), Tally(100, 0, dict.fromkeys(range(20), (5, 0)))))

    decision = test.judge(0.05)

    assert decision.finding is Finding.UNDECIDED
    assert decision.discount > 100


def test_a_single_burst_is_no_rate():
    test = RateTest(0.01)
    for window in range(12):
        test = test.seen(Stratum(Tally(50, 20 if window == 1 else 0)))

    assert test.judge(0.05).finding is Finding.UNDECIDED


def test_a_candidate_that_is_dead_is_found_within_some_cells():
    test = RatioTest(2.0)
    for _ in range(3):
        test = test.seen(Stratum(Tally(50, 0), Tally(50, 0)))
    for _ in range(30):
        test = test.seen(Stratum(Tally(50, 50), Tally(50, 0)))

    assert test.judge(0.05).finding is Finding.BEYOND


def test_quantiles_are_told_apart_and_equal_ones_are_not():
    slow = fast = same = QuantileTest(0.9, 1.2)
    times = [0.01 * (1.02**step) for step in range(100)]
    for _ in range(40):
        usual = histogram(times)
        slow = slow.seen(
            Stratum(candidate_latency=histogram([2 * each for each in times]), other_latency=usual)
        )
        fast = fast.seen(Stratum(candidate_latency=usual, other_latency=usual))
        at_bound = histogram([1.2 * each for each in times])
        same = same.seen(Stratum(candidate_latency=at_bound, other_latency=usual))

    assert slow.judge(0.05).finding is Finding.BEYOND
    assert fast.judge(0.05).finding is Finding.WITHIN
    assert same.judge(0.05).finding is Finding.UNDECIDED
    assert slow.judge(0.05).estimate == pytest.approx(2.0, rel=0.03)


def test_only_one_arm_says_nothing_of_quantiles():
    test = QuantileTest(0.99, 1.2).seen(Stratum(candidate_latency=histogram([0.1] * 500)))

    assert test.judge(0.05).finding is Finding.UNDECIDED
    assert QuantileTest(0.99, 1.2).seen(Stratum(candidate_latency=Histogram())).blocks == ()


def test_planning_knows_what_can_never_be_proven():
    assert calls_for_rate(0.01, 0.01, 0.05) == math.inf
    assert calls_for_ratio(1.0, 0.005, 0.005, 0.5, 0.05) == math.inf
    assert calls_for_ratio(2.0, 0.0, 0.0, 0.5, 0.05) == math.inf
    assert calls_for_difference(0.0, 0.005, 0.005, 0.5, 0.05) == math.inf
    assert calls_for_rate(0.0, 0.0, 0.05) == math.inf


def test_planning_is_near_what_runs_show():
    """Rolled back at 5 % errors after about 17 minutes at 1/s, and promoted after 40 minutes at 5/s."""
    assert calls_for_ratio(2.0, 0.05, 0.005, 0.5, 0.05) == pytest.approx(960, rel=0.25)
    assert calls_for_ratio(2.0, 0.005, 0.005, 0.5, 0.05) == pytest.approx(5 * 60 * 40, rel=0.35)
    assert calls_for_difference(0.005, 0.005, 0.005, 0.5, 0.05) == pytest.approx(5 * 60 * 49, rel=0.35)
