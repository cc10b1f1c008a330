"""How often a right split raises an alarm, and how soon a wrong one does: seeded hours at 50 calls a second.

Looked at after every report (5 s). Random calls, and Zipf-active sticky users of whom each counts once.
"""

import argparse
import statistics

import numpy as np

from control.rollout.sample_ratio import Split, mismatch

REPORT = 5
CALLS = 50
HOUR = 3600
STAGES = 4


def random_calls(share: float, draw: np.random.Generator) -> list[Split]:
    """The state after each report, where calls go to the candidate with this probability."""
    states, split = [], Split()
    for calls in draw.poisson(CALLS * REPORT, HOUR // REPORT):
        there = int(draw.binomial(calls, share))
        split = split.drew(candidate=there, stable=int(calls) - there)
        states.append(split)
    return states


def sticky_users(share: float, draw: np.random.Generator, users: int = 20_000) -> list[Split]:
    """The same of users: the n-th busiest calls in proportion to 1 / n."""
    busy = np.cumsum(1 / np.arange(1, users + 1))
    place = draw.random(users)
    states, split = [], Split()
    for calls in draw.poisson(CALLS * REPORT, HOUR // REPORT):
        who = np.unique(np.searchsorted(busy, draw.random(calls) * busy[-1], side="right"))
        there = place[who] < share
        split = split.assigned(who[there].tolist(), to_candidate=True)
        split = split.assigned(who[~there].tolist(), to_candidate=False)
        states.append(split)
    return states


def alarm(states: list[Split], asked: float) -> float | None:
    """Minutes until the first alarm."""
    for number, split in enumerate(states, start=1):
        if mismatch(split, asked, STAGES):
            return number * REPORT / 60
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    print(f"| {runs} runs of an hour, 50 calls/s        | asked | got   | alarms | median minute |")
    print("|---|---|---|---:|---:|")
    for name, kind in (("random calls", random_calls), ("20 000 Zipf users, each once", sticky_users)):
        for asked, got in ((0.1, 0.1), (0.5, 0.5), (0.1, 0.12), (0.5, 0.52), (0.5, 0.51)):
            found = [alarm(kind(got, np.random.default_rng([7, seed])), asked) for seed in range(runs)]
            minutes = [one for one in found if one is not None]
            median = f"{statistics.median(minutes):.1f}" if minutes else ""
            print(
                f"| {name:<36} | {asked:.0%} | {got:.0%} | {len(minutes) / runs:7.1%} | {median:>5} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
