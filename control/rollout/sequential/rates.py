"""One arm's rate of bad events against a bound."""

import math
from dataclasses import dataclass, field, replace

from control.rollout.sequential.decision import Decision, decide
from control.rollout.sequential.dispersion import Spread
from control.rollout.sequential.mixtures import BEYOND, Grid, within
from control.rollout.sequential.tallies import Stratum

WITHIN = within()


@dataclass(frozen=True, slots=True)
class RateTest:
    """Whether the candidate's rate lies beyond `bound`, from 0 to 1.

    Wald's sequential probability ratio test (1945) in Robbins' mixture: for alternatives whose odds are
    multiples of the bound's, the likelihood ratio of all calls so far against the bound. For an alternative
    above the bound it is a supermartingale under every rate up to the bound, and the other way round.
    """

    bound: float
    spread: Spread = field(default_factory=Spread)

    def seen(self, stratum: Stratum) -> "RateTest":
        """With one more stratum."""
        return replace(self, spread=self.spread.seen(stratum.candidate))

    def judge(self, alpha: float) -> Decision:
        """Both sides, each proven at `alpha`."""
        n, bad = self.spread.total.n, self.spread.total.bad
        if not n:
            return decide(0.0, 0.0, alpha, None)
        effect = self.spread.design_effect()
        suspected = evidence(BEYOND, self.bound, n, bad)
        beyond = evidence(BEYOND, self.bound, n, bad - self.spread.excess()) / effect
        inside = evidence(WITHIN, self.bound, n, bad) / effect
        return decide(beyond, inside, alpha, bad / n, effect, suspected)


def evidence(grid: Grid, bound: float, n: int, bad: int) -> float:
    """The logarithm of the mixture's likelihood ratio against the bound, of `bad` out of `n`."""
    if bound <= 0:  # no bad event at all is allowed: one is proof, and its absence never is
        return math.inf if bad and grid is BEYOND else 0.0
    if bound >= 1:
        return 0.0 if grid is BEYOND else (math.inf if bad < n else 0.0)
    return grid.mixed([_log_ratio(bound, multiple, n, bad) for multiple in grid.multiples])


def _log_ratio(bound: float, multiple: float, n: int, bad: int) -> float:
    """Log of (p1 / p0)^bad ((1 - p1) / (1 - p0))^good, where p1 has `multiple` times the odds of p0."""
    # p1 = mp0 / (1 - p0 + mp0), so (1 - p1) / (1 - p0) = 1 / (1 - p0 + mp0).
    norm = math.log1p(bound * (multiple - 1))
    return bad * math.log(multiple) - n * norm
