"""Running sums say of clusters what going through all of them would."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.rollout.judgements import Test
from control.rollout.sequential import DifferenceTest, RateTest, RatioTest, Stratum, Tally
from control.rollout.sequential.dispersion import MAX_CELLS, SIGNIFICANT, Cell, Spread, design_effect

ALPHA = 0.05
COUNTS = st.integers(0, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def by_hand(cells: Sequence[Cell]) -> float:
    """The estimator as it is written down: sums of what each cluster deviates by."""
    filled = [(n, bad) for n, bad in cells if n]
    n, bad = sum(each for each, _ in filled), sum(each for _, each in filled)
    if len(filled) < 2 or not 0 < bad < n:
        return 1.0
    rate = bad / n
    chance = [each * rate * (1 - rate) for each, _ in filled]
    squares = math.fsum((each_bad - each * rate) ** 2 for each, each_bad in filled)
    effect = squares / math.fsum(chance) * len(filled) / (len(filled) - 1)
    noise = math.sqrt(math.fsum(one + 2 * one * one for one in chance)) / math.fsum(chance)
    return 1.0 if effect <= 1 + SIGNIFICANT * noise else effect * (1 + math.sqrt(effect / bad))


@dataclass(frozen=True, slots=True)
class Recounted(Spread):
    """Goes through every bucket and cell at every look."""

    def seen(self, tally: Tally) -> Spread:
        after = Spread.seen(self, tally)
        return Recounted(**{each.name: getattr(after, each.name) for each in dataclasses.fields(Spread)})

    def design_effect(self) -> float:
        return max(1.0, by_hand(list(self.buckets.values())), by_hand([*self.cells, self.open]))

    def excess(self) -> int:
        worst = sorted([0, 0, self.open[1], *(bad for _, bad in self.cells)])
        return worst[-1] - worst[-2]


def crowd(seed: int, rate: float) -> list[Stratum]:
    """Reports of sticky users who differ, and of bursts; long enough for cells to be put together."""
    random = np.random.default_rng(seed)
    rates = random.beta(rate * 4, (1 - rate) * 4, 64)
    windows = []
    for _ in range(600):
        tallies = []
        for users in (range(32), range(32, 64)):
            cells = {user: int(random.poisson(1.5)) for user in users}
            burst = 10 * (random.random() < 0.01)
            failed = {user: int(random.binomial(n, min(1, rates[user] + burst))) for user, n in cells.items()}
            buckets = {user: (n, failed[user]) for user, n in cells.items() if n}
            tallies.append(Tally(sum(cells.values()), sum(failed.values()), buckets))
        windows.append(Stratum(tallies[0], tallies[1]))
    return windows


@pytest.mark.parametrize("rate", [0.005, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_every_look_decides_as_it_would_by_going_through_all(seed: int, rate: float) -> None:
    slow = Recounted()
    pairs: list[tuple[Test, Test]] = [
        (RatioTest(2.0), RatioTest(2.0, candidate=slow, other=slow)),
        (DifferenceTest(0.005), DifferenceTest(0.005, candidate=slow, other=slow)),
        (RateTest(0.01), RateTest(0.01, spread=slow)),
    ]
    strata = crowd(seed, rate)
    assert sum(stratum.candidate.n for stratum in strata) > 2 * 40 * MAX_CELLS
    for stratum in strata:
        pairs = [(fast.seen(stratum), recounted.seen(stratum)) for fast, recounted in pairs]
        for fast, recounted in pairs:
            found, expected = fast.judge(ALPHA), recounted.judge(ALPHA)
            assert found.finding is expected.finding
            assert (found.beyond, found.within) == pytest.approx((expected.beyond, expected.within))
            assert found.discount == pytest.approx(expected.discount)


@given(st.lists(COUNTS, max_size=40))
def test_the_estimate_of_any_clusters_is_the_one_by_hand(cells: list[Cell]) -> None:
    assert design_effect(cells) == pytest.approx(by_hand(cells))


@given(st.lists(st.tuples(st.integers(0, 5), COUNTS), max_size=60))
def test_the_worst_cells_and_all_sums_are_those_of_what_is_kept(windows: list[tuple[int, Cell]]) -> None:
    spread: Spread = Spread()
    for bucket, (n, bad) in windows * 5:
        spread = spread.seen(Tally(n, bad, {bucket: (n, bad)} if n else {}))
        again = Recounted(**{each.name: getattr(spread, each.name) for each in dataclasses.fields(Spread)})

        assert spread.excess() == again.excess()
        assert spread.design_effect() == pytest.approx(again.design_effect())
