"""The candidate's rate of bad events against a multiple of the other arm's."""

import functools
import math
from dataclasses import dataclass, field, replace

from control.rollout.sequential.decision import Decision, decide
from control.rollout.sequential.dispersion import Spread
from control.rollout.sequential.mixtures import BEYOND, Grid, within
from control.rollout.sequential.tallies import Stratum


@dataclass(frozen=True, slots=True)
class RatioTest:
    """Whether the candidate's rate exceeds `factor` times the other's.

    Conditional on the bad events: in a stratum of c and s calls, a bad event is the candidate's with
    probability rho c / (rho c + s), where rho is the quotient of the rates; the rates themselves, and
    whatever moves both alike, drop out. The likelihood ratio of each bad event under rho against that under
    `factor` is mixed over a grid of rho. Strata enter with the calls that were observed in them, so that
    shares may change at any time. (Conditioning on the total: Przyborowski & Wilenski 1940; one event after
    the other: Wald 1947; with a rate that may change: Lindon & Malek 2022.)
    """

    factor: float
    logs: tuple[float, ...] = ()  # of the likelihood ratio of each alternative; () is all of them 0
    candidate: Spread = field(default_factory=Spread)
    other: Spread = field(default_factory=Spread)

    def seen(self, stratum: Stratum) -> "RatioTest":
        """With one more stratum."""
        return replace(
            self,
            logs=self._moved(stratum),
            candidate=self.candidate.seen(stratum.candidate),
            other=self.other.seen(stratum.other),
        )

    def judge(self, alpha: float) -> Decision:
        """Both sides, each proven at `alpha`."""
        mine, theirs = self.candidate.total, self.other.total
        if not (mine.n and theirs.n):
            return decide(0.0, 0.0, alpha, None)
        effect = max(self.candidate.design_effect(), self.other.design_effect())
        beyond, inside = alternatives(self.factor)
        logs = self.logs or (0.0,) * (len(beyond.multiples) + len(inside.multiples))
        shifts = [
            _shift(self.factor, each, mine.n, theirs.n) for each in (*beyond.multiples, *inside.multiples)
        ]
        burst, lull = self.candidate.excess(), self.other.excess()
        edge = len(beyond.multiples)
        above = [
            log - burst * (math.log(multiple) - shift)
            for log, multiple, shift in zip(logs[:edge], beyond.multiples, shifts[:edge], strict=True)
        ]
        below = [log + lull * shift for log, shift in zip(logs[edge:], shifts[edge:], strict=True)]
        quotient = (mine.bad / mine.n) / (theirs.bad / theirs.n) if theirs.bad else None
        suspected = beyond.mixed(logs[:edge])
        return decide(
            beyond.mixed(above) / effect, inside.mixed(below) / effect, alpha, quotient, effect, suspected
        )

    def _moved(self, stratum: Stratum) -> tuple[float, ...]:
        mine, theirs = stratum.candidate, stratum.other
        if not (mine.n and theirs.n and (mine.bad or theirs.bad)):
            return self.logs  # it says nothing of whose events are more frequent
        beyond, inside = alternatives(self.factor)
        multiples = (*beyond.multiples, *inside.multiples)
        bad = mine.bad + theirs.bad
        before = self.logs or (0.0,) * len(multiples)
        return tuple(
            log + mine.bad * math.log(multiple) - bad * _shift(self.factor, multiple, mine.n, theirs.n)
            for log, multiple in zip(before, multiples, strict=True)
        )


@functools.lru_cache(maxsize=256)
def alternatives(factor: float) -> tuple[Grid, Grid]:
    """Quotients of the rates as multiples of `factor`: beyond it, and within it."""
    return BEYOND, within(1 / factor)


def _shift(factor: float, multiple: float, mine: int, theirs: int) -> float:
    """Log of (rho c + s) / (factor c + s), rho being `multiple` times `factor`."""
    return math.log1p(factor * mine * (multiple - 1) / (factor * mine + theirs))
