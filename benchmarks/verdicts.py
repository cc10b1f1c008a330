"""How often, and how soon, the sequential tests say what they should: seeded runs of imagined calls.

Looked at after every report (5 s) for 8 hours of virtual time; shares 10, 20, 30 and 40 % for a minute each,
then 50 %. Calls are drawn by numpy; the verdicts are those of the control service's own tests.
"""

import argparse
import concurrent.futures
import multiprocessing
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from control.rollout.histogram import SCALE, Histogram
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
REPORT = 5.0
RAMP = (0.1, 0.2, 0.3, 0.4)
BUCKETS = 64
Test = RateTest | RatioTest | DifferenceTest | QuantileTest
Draws = np.random.Generator


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sticky users with error rates of their own: Beta, `beta` the sum of its parameters."""

    users: int
    skew: float = 0.0
    beta: float = 4.0


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the table: rates from 0 to 1, calls a second of both arms."""

    name: str
    must: str
    test: Test
    rps: float
    candidate: float
    stable: float = 0.005
    burst: int = 1
    crowd: Crowd | None = None
    hours: float = 8.0
    latency: tuple[float, float] | None = None  # medians in seconds: stable, candidate
    blind: bool = False  # the test is not told of users

    def strata(self, draw: Draws) -> Iterator[Stratum]:
        """The reports of one run."""
        windows = range(int(self.hours * 3600 / REPORT))
        if self.latency:
            return (self._latencies(draw, *self.latency) for _ in windows)
        if self.crowd:
            users = _Users(self.crowd, self.stable, self.candidate, draw)
            told = (users.window(self.rps, _share(number), draw) for number in windows)
            return map(_blinded, told) if self.blind else told
        arms = _Arm(self.candidate, self.burst), _Arm(self.stable, self.burst)
        return (self._random(arms, _share(number), draw) for number in windows)

    def _random(self, arms: "tuple[_Arm, _Arm]", share: float, draw: Draws) -> Stratum:
        calls = int(draw.poisson(self.rps * REPORT))
        there = int(draw.binomial(calls, share))
        return Stratum(arms[0].tally(there, draw), arms[1].tally(calls - there, draw))

    def _latencies(self, draw: Draws, stable: float, candidate: float) -> Stratum:
        calls = int(draw.poisson(self.rps * REPORT / 2))
        return Stratum(
            candidate_latency=_histogram(draw.lognormal(np.log(candidate), 0.5, calls)),
            other_latency=_histogram(draw.lognormal(np.log(stable), 0.5, calls)),
        )


class _Arm:
    """Calls that fail one by one, or `burst` in a row."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = 0

    def tally(self, calls: int, draw: Draws) -> Tally:
        if self._burst == 1:
            return Tally(calls, int(draw.binomial(calls, self._rate)))
        bad, rest = 0, calls
        while rest:
            if not self._left:
                until = int(draw.geometric(self._rate / self._burst)) - 1
                if until >= rest:
                    break
                rest, self._left = rest - until, self._burst
            some = min(rest, self._left)
            bad, rest, self._left = bad + some, rest - some, self._left - some
        return Tally(calls, bad)


class _Users:
    """A crowd, drawn: each user on one arm, by the share."""

    def __init__(self, crowd: Crowd, stable: float, candidate: float, draw: Draws) -> None:
        weights = np.arange(1, crowd.users + 1) ** -crowd.skew
        high = max(stable, candidate)
        rates = draw.beta(high * crowd.beta, (1 - high) * crowd.beta, crowd.users)
        self._busy = np.cumsum(weights) / weights.sum()
        self._place = draw.random(crowd.users)
        self._buckets = draw.integers(0, BUCKETS, crowd.users)
        self._rates = rates * candidate / high, rates * stable / high

    def window(self, rps: float, share: float, draw: Draws) -> Stratum:
        who = np.searchsorted(self._busy, draw.random(draw.poisson(rps * REPORT)), side="right")
        there = self._place[who] < share
        return Stratum(
            *(self._tally(who[mine], self._rates[arm], draw) for arm, mine in ((0, there), (1, ~there)))
        )

    def _tally(self, who: np.ndarray, rates: np.ndarray, draw: Draws) -> Tally:
        bad = draw.random(who.size) < rates[who]
        calls = np.bincount(self._buckets[who], minlength=BUCKETS)
        failed = np.bincount(self._buckets[who[bad]], minlength=BUCKETS)
        buckets = {int(each): (int(calls[each]), int(failed[each])) for each in np.flatnonzero(calls)}
        return Tally(int(who.size), int(bad.sum()), buckets)


def _blinded(stratum: Stratum) -> Stratum:
    mine, theirs = stratum.candidate, stratum.other
    return Stratum(Tally(mine.n, mine.bad), Tally(theirs.n, theirs.bad))


def _share(window: int) -> float:
    minute = int(window * REPORT // 60)
    return RAMP[minute] if minute < len(RAMP) else 0.5


def _histogram(seconds: np.ndarray) -> Histogram:
    indexes, counts = np.unique(np.ceil(np.log2(seconds) * 2**SCALE).astype(int) - 1, return_counts=True)
    return Histogram(dict(zip(indexes.tolist(), counts.tolist(), strict=True)), sum=float(seconds.sum()))


@dataclass(frozen=True, slots=True)
class End:
    """A run: what it came to, and in which minute."""

    finding: Finding
    minute: float


def run(case: Case, seed: int) -> End:
    """One run, to its verdict or to the end."""
    draw = np.random.default_rng([seed, len(case.name)])
    test = case.test
    window = 0
    for window, stratum in enumerate(case.strata(draw), start=1):
        test = test.seen(stratum)
        # Without a bad event the evidence for `within` grows alone, and slowly: a look a minute will do.
        is_news = stratum.candidate.bad or stratum.other.bad or window % 12 == 0
        if is_news and (finding := test.judge(ALPHA).finding) is not Finding.UNDECIDED:
            return End(finding, window * REPORT / 60)
    return End(Finding.UNDECIDED, window * REPORT / 60)


RATIO = RatioTest(2.0)
DIFFERENCE = DifferenceTest(0.005)
P99 = RateTest(0.01)  # fewer than 1 % of the calls slower than the bound
MATCH = RateTest(0.05)
CASES = [
    *(
        Case(f"equal, {rate:g}/s", "rolled back ≤ 6.5 %", RATIO, rate, 0.005)
        for rate in (0.2, 1.0, 5.0, 50.0)
    ),
    Case("equal, 200 users, Beta, 5/s", "rolled back ≤ 6.5 %", RATIO, 5, 0.005, crowd=Crowd(200)),
    Case(
        "equal, 2000 users, Zipf, Beta, 5/s", "rolled back ≤ 6.5 %", RATIO, 5, 0.005, crowd=Crowd(2000, 1.0)
    ),
    Case(
        "the same 200 users, the test not told", "17 to 27 %", RATIO, 5, 0.005, crowd=Crowd(200), blind=True
    ),
    Case("equal, errors in bursts of 20, 5/s", "rolled back ≤ 6.5 %", RATIO, 5, 0.005, burst=20),
    Case("equal, errors in bursts of 20, 50/s", "rolled back ≤ 6.5 %", RATIO, 50, 0.005, burst=20, hours=2),
    Case(
        "slow calls in bursts of 20, p99 at its bound, 50/s",
        "rolled back ≤ 6.5 %",
        P99,
        50,
        0.01,
        burst=20,
        hours=1,
    ),
    Case("1 %, exactly at the bound, 5/s", "each ≤ 6.5 %", RATIO, 5, 0.01),
    Case("1 %, exactly at the bound, 50/s", "each ≤ 6.5 %", RATIO, 50, 0.01, hours=4),
    Case("5 %, 1/s", "rolled back ≥ 99 %, mean ≤ 20", RATIO, 1, 0.05),
    Case("5 %, 5/s", "rolled back ≥ 99 %, mean ≤ 5", RATIO, 5, 0.05),
    Case("2 %, 5/s", "rolled back ≥ 99 %, mean ≤ 30", RATIO, 5, 0.02),
    Case("2 %, 50/s", "rolled back ≥ 99 %, mean ≤ 4", RATIO, 50, 0.02),
    Case("0.5 %, 5/s", "promoted ≥ 95 %, mean ≤ 60", RATIO, 5, 0.005),
    Case("0.5 %, 50/s", "promoted ≥ 95 %, mean ≤ 10", RATIO, 50, 0.005),
    Case("+ 0.5 %: 5 %, 1/s", "like figures", DIFFERENCE, 1, 0.05),
    Case("+ 0.5 %: 5 %, 5/s", "like figures", DIFFERENCE, 5, 0.05),
    Case("+ 0.5 %: 2 %, 5/s", "like figures", DIFFERENCE, 5, 0.02),
    Case("+ 0.5 %: 2 %, 50/s", "like figures", DIFFERENCE, 50, 0.02),
    Case("+ 0.5 %: 0.5 %, 5/s", "like figures", DIFFERENCE, 5, 0.005),
    Case("+ 0.5 %: 0.5 %, 50/s", "like figures", DIFFERENCE, 50, 0.005),
    Case("+ 0.5 %: 1 %, exactly at the bound, 5/s", "each ≤ 6.5 %", DIFFERENCE, 5, 0.01),
    Case("p99 < 200 ms: true p99 160 ms, 50/s", "promoted ≥ 95 %", P99, 50, 0.002779, hours=1),
    Case("p99 < 200 ms: true p99 250 ms, 50/s", "rolled back ≥ 99 %", P99, 50, 0.029981, hours=1),
    Case("p99 < 200 ms: true p99 200 ms, 50/s", "rolled back ≤ 6.5 %", P99, 50, 0.01, hours=1),
    Case("match ≥ 95 %: 98 %, 5/s", "promoted ≥ 95 %", MATCH, 5, 0.02, hours=1),
    Case("match ≥ 95 %: 90 %, 5/s", "rolled back ≥ 99 %", MATCH, 5, 0.10, hours=1),
    Case("match ≥ 95 %: 95 %, 5/s", "rolled back ≤ 6.5 %", MATCH, 5, 0.05, hours=1),
    Case(
        "p99 ≤ stable × 1.2: equal, 50/s",
        "like figures",
        QuantileTest(0.99, 1.2),
        50,
        0,
        hours=1,
        latency=(0.05, 0.05),
    ),
    Case(
        "p99 ≤ stable × 1.2: twice as slow, 50/s",
        "like figures",
        QuantileTest(0.99, 1.2),
        50,
        0,
        hours=1,
        latency=(0.05, 0.1),
    ),
    Case(
        "p99 ≤ stable × 1.2: exactly so, 50/s",
        "rolled back ≤ 6.5 %",
        QuantileTest(0.99, 1.2),
        50,
        0,
        hours=1,
        latency=(0.05, 0.06),
    ),
    Case("no errors at all, 5/s", "no exception", RATIO, 5, 0.0, stable=0.0, hours=1),
    Case("50 % in both, 5/s", "no exception", RATIO, 5, 0.5, stable=0.5, hours=1),
    Case("100 % in both, 5/s", "no exception", RATIO, 5, 1.0, stable=1.0, hours=1),
    Case("no calls", "neither", RATIO, 1e-12, 0.5, stable=0.5, hours=1),
]


def row(case: Case, ends: list[End]) -> str:
    """The case as a line of the table."""
    cells = []
    for finding in (Finding.BEYOND, Finding.WITHIN):
        minutes = [end.minute for end in ends if end.finding is finding]
        mean = f"{statistics.fmean(minutes):.1f}" if minutes else ""
        cells.append(f"{len(minutes) / len(ends):7.1%} | {mean:>6}")
    return f"| {case.name:<52} | {case.must:<28} | {cells[0]} | {cells[1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    asked = parser.parse_args()
    print(
        f"| candidate's errors, calls/s; {asked.runs} runs each | must | rolled back | min | promoted | min |"
    )
    print("|---|---|---:|---:|---:|---:|")
    seeds = range(asked.seed * 1_000_000, asked.seed * 1_000_000 + asked.runs)
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(mp_context=spawn) as pool:
        for case in CASES:
            if asked.only in case.name:
                ends = pool.map(run, [case] * asked.runs, seeds, chunksize=10)
                print(row(case, list(ends)), flush=True)


if __name__ == "__main__":
    main()
