"""The candidate's rate of bad events against the other arm's plus a margin."""

import math
from dataclasses import dataclass, field, replace

from control.rollout.sequential.decision import Decision, decide
from control.rollout.sequential.dispersion import Spread
from control.rollout.sequential.mixtures import log_sum
from control.rollout.sequential.tallies import Stratum

PRIORS = ((0.5, 0.5), (0.5, 20.0))
"""Beta distributions of a rate: of any rate, and of the small ones that failures mostly have."""

STEPS = 60
"""Halvings that find the likeliest pair of rates on the boundary: beyond what a float tells apart."""

Cell = tuple[int, int]
"""Calls, and the bad ones among them."""


@dataclass(frozen=True, slots=True)
class DifferenceTest:
    """Whether the candidate's rate exceeds the other's by more than `margin`.

    Universal inference (Wasserman, Ramdas & Balakrishnan 2020): the likelihood of all calls, mixed over both
    rates, against the largest that any pair of rates on the wrong side of the boundary gives them. Under each
    such pair that is at most a martingale. In simulations it was the more powerful of what was tried: two
    confidence sequences at half of alpha each pay for two boundaries. Both rates are taken for constant.
    """

    margin: float
    candidate: Spread = field(default_factory=Spread)
    other: Spread = field(default_factory=Spread)

    def seen(self, stratum: Stratum) -> "DifferenceTest":
        """With one more stratum."""
        return replace(
            self,
            candidate=self.candidate.seen(stratum.candidate),
            other=self.other.seen(stratum.other),
        )

    def judge(self, alpha: float) -> Decision:
        """Both sides, each proven at `alpha`."""
        mine, theirs = self.candidate.total, self.other.total
        if not (mine.n and theirs.n):
            return decide(0.0, 0.0, alpha, None)
        effect = max(self.candidate.design_effect(), self.other.design_effect())
        burst, lull = self.candidate.excess(), self.other.excess()
        above = beyond((mine.n, mine.bad - burst), (theirs.n, theirs.bad), self.margin)
        below = within((mine.n, mine.bad), (theirs.n, theirs.bad - lull), self.margin)
        suspected = beyond((mine.n, mine.bad), (theirs.n, theirs.bad), self.margin) if burst else above
        estimate = mine.bad / mine.n - theirs.bad / theirs.n
        return decide(above / effect, below / effect, alpha, estimate, effect, suspected)


def beyond(mine: Cell, theirs: Cell, margin: float) -> float:
    """Log of the e-value against `mine - theirs <= margin`."""
    if mine[1] / mine[0] - theirs[1] / theirs[0] <= margin:
        return min(0.0, _mixed(mine, theirs) - _freely(mine, theirs))
    return _mixed(mine, theirs) - _on_boundary(mine, theirs, margin)


def within(mine: Cell, theirs: Cell, margin: float) -> float:
    """Log of the e-value against `mine - theirs >= margin`."""
    if mine[1] / mine[0] - theirs[1] / theirs[0] >= margin:
        return min(0.0, _mixed(mine, theirs) - _freely(mine, theirs))
    return _mixed(mine, theirs) - _on_boundary(mine, theirs, margin)


def _mixed(mine: Cell, theirs: Cell) -> float:
    """Log of the likelihood, averaged over rates."""
    return log_sum(
        [_marginal(mine, prior) + _marginal(theirs, prior) - math.log(len(PRIORS)) for prior in PRIORS]
    )


def _marginal(cell: Cell, prior: tuple[float, float]) -> float:
    n, bad = cell
    return _log_beta(prior[0] + bad, prior[1] + n - bad) - _log_beta(*prior)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _freely(mine: Cell, theirs: Cell) -> float:
    """Log of the largest likelihood that any two rates give."""
    return _log_likelihood(mine, mine[1] / mine[0]) + _log_likelihood(theirs, theirs[1] / theirs[0])


def _on_boundary(mine: Cell, theirs: Cell, margin: float) -> float:
    """Log of the largest likelihood of rates that differ by exactly `margin`: it has one peak."""
    low, high = max(0.0, -margin), min(1.0, 1.0 - margin)
    if low >= high:
        return -math.inf
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _slope(mine, middle + margin) + _slope(theirs, middle) > 0:
            low = middle
        else:
            high = middle
    rate = (low + high) / 2
    return _log_likelihood(mine, rate + margin) + _log_likelihood(theirs, rate)


def _slope(cell: Cell, rate: float) -> float:
    n, bad = cell
    up = bad / rate if bad else 0.0
    down = (n - bad) / (1 - rate) if n > bad else 0.0
    return up - down


def _log_likelihood(cell: Cell, rate: float) -> float:
    n, bad = cell
    if (bad and rate <= 0) or (n > bad and rate >= 1):
        return -math.inf
    up = bad * math.log(rate) if bad else 0.0
    down = (n - bad) * math.log1p(-rate) if n > bad else 0.0
    return up + down
