"""What holds at every look of every test."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

ALPHA = 0.05
EQUAL = [RateTest(1.0), RatioTest(1.0), RatioTest(2.0), DifferenceTest(0.0), DifferenceTest(0.005)]


@pytest.mark.parametrize("test", EQUAL, ids=repr)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_equal_arms_are_never_proven_beyond_at_rates_of_none_half_and_all(test, share):
    tally = Tally(100, int(100 * share))
    for _ in range(60):
        test = test.seen(Stratum(tally, tally))

        assert test.judge(ALPHA).finding is not Finding.BEYOND


@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.integers(-400, 100), st.integers(0, 60)] * 2), max_size=8))
def test_any_latencies_come_to_at_most_one_proof(fed):
    test = QuantileTest(0.99, 1.2)
    for mine, calls, theirs, others in fed:
        test = test.seen(
            Stratum(
                candidate_latency=Histogram({mine: calls} if calls else {}, sum=float(calls)),
                other_latency=Histogram({theirs: others} if others else {}, sum=float(others)),
            )
        )

    decision = test.judge(ALPHA)

    proofs = (decision.beyond >= decision.limit, decision.within >= decision.limit)
    assert (decision.finding is Finding.UNDECIDED) == (proofs[0] == proofs[1])
    assert decision.discount >= 1


def test_a_look_changes_nothing_and_the_same_strata_give_the_same_test():
    window = Stratum(Tally(50, 1, {3: (20, 1)}), Tally(50, 0, {4: (10, 0)}))
    for test in EQUAL:
        once = test.seen(window)
        once.judge(ALPHA)

        assert once == test.seen(window)
        assert once.seen(window) == test.seen(window).seen(window)
