"""Tests that stay valid however often one looks: bad events out of calls, against a bound or against stable.

    stratum ─▶ test.seen(stratum) ─▶ a new test     (cheap; strata in the order of arrival)
    test.judge(alpha) ─▶ Decision: pass, fail or undecided, with its evidence

`RateTest` holds one arm's rate against a bound; `RatioTest` and `DifferenceTest` hold the candidate's rate
against a multiple of the other arm's, or that plus a margin; `QuantileTest` a quantile of its latency against
a multiple of the other's. Each computes two e-processes: one that grows where the candidate lies beyond the
boundary, one that grows where it lies within. By Ville's inequality an e-process exceeds 1 / alpha at any
time at all with probability alpha at most while its hypothesis is false, so that looking after every report
costs nothing. The boundary of the sentence is the boundary of both.

Calls that come in clusters (a few heavy users, a burst) are worth less than their number: `dispersion` says
by how much, and every test's evidence is discounted by that.

Values in, values out; the standard library's `math` and nothing else.
"""

from control.rollout.sequential.decision import Decision, Finding
from control.rollout.sequential.differences import DifferenceTest
from control.rollout.sequential.quantiles import QuantileTest
from control.rollout.sequential.rates import RateTest
from control.rollout.sequential.ratios import RatioTest
from control.rollout.sequential.tallies import Stratum, Tally

__all__ = [
    "Decision",
    "DifferenceTest",
    "Finding",
    "QuantileTest",
    "RateTest",
    "RatioTest",
    "Stratum",
    "Tally",
]
