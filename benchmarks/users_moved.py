"""How many users a weight change moves to another variant, beside hash-modulo and the least there can be.

Random pairs of weightings of 2 to 8 variants. The least is what must move for the new shares to hold: the
sum of what variants gain. Hash-modulo maps the user's hash onto ordered ranges as wide as the weights, which
is how Envoy's weighted clusters choose.
"""

import argparse
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import xxhash

from proxy.policy.splitting import Split


@dataclass(frozen=True, slots=True)
class Variant:
    name: str


@dataclass(frozen=True, slots=True)
class Moves:
    """Shares of all users; `astray` went to a variant that had not grown beside the one they left."""

    least: float
    moved: float
    astray: float


Weights = Sequence[float]
Choice = Callable[[bytes], int]


def rendezvous(weights: Weights) -> Choice:
    variants = [Variant(f"v{index}") for index in range(len(weights))]
    split = Split.of(dict(zip(variants, weights, strict=True)), "bench")
    index_of = {variant.name: index for index, variant in enumerate(variants)}
    return lambda user: index_of[split.by_key(user).name]


def hash_modulo(weights: Weights) -> Choice:
    total = sum(weights)

    def choose(user: bytes) -> int:
        point = xxhash.xxh3_64_intdigest(user) / 2**64 * total
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(weights) - 1

    return choose


def compare(method: Callable[[Weights], Choice], before: Weights, after: Weights, users: int) -> Moves:
    old, new = method(before), method(after)
    total_before, total_after = sum(before), sum(after)
    gains = [b / total_after - a / total_before for a, b in zip(before, after, strict=True)]
    moved = astray = 0
    for number in range(users):
        user = f"user-{number}".encode()
        left, came = old(user), new(user)
        if left != came:
            moved += 1
            astray += after[came] * before[left] <= before[came] * after[left]
    return Moves(sum(gain for gain in gains if gain > 0), moved / users, astray / users)


def one_changed(variants: int, draw: random.Random) -> tuple[Weights, Weights]:
    """A step of a canary: one variant's weight is set anew."""
    before = [draw.uniform(1, 100) for _ in range(variants)]
    after = list(before)
    after[draw.randrange(variants)] = draw.uniform(1, 100)
    return before, after


def all_changed(variants: int, draw: random.Random) -> tuple[Weights, Weights]:
    """Any two ways to share the users out, each as likely as any other (evenly over the simplex)."""
    before, after = ([draw.expovariate(1.0) for _ in range(variants)] for _ in range(2))
    return before, after


def all_alike(variants: int, draw: random.Random) -> tuple[Weights, Weights]:
    """Weights drawn from 1 to 100 each by itself: shares that are seldom far apart, the harder case."""
    before, after = ([draw.uniform(1, 100) for _ in range(variants)] for _ in range(2))
    return before, after


Pairs = Callable[[int, random.Random], tuple[Weights, Weights]]


def print_table(title: str, pairs: Pairs, options: argparse.Namespace) -> None:
    print(f"\n{title}: {options.pairs} pairs a row, {options.users} users")
    print("variants   least   rendezvous           hash-modulo          astray: rendezvous  hash-modulo")
    draw = random.Random(options.seed)
    means = []
    for variants in range(2, 9):
        chosen = [pairs(variants, draw) for _ in range(options.pairs)]
        ours = [compare(rendezvous, before, after, options.users) for before, after in chosen]
        theirs = [compare(hash_modulo, before, after, options.users) for before, after in chosen]
        least = statistics.mean(each.least for each in ours)
        cells = []
        for found in (ours, theirs):
            moved = statistics.mean(each.moved for each in found)
            cells.append(f"{moved:6.1%} = {moved / least:4.2f} x least")
        means.append([statistics.mean(each.moved for each in found) / least for found in (ours, theirs)])
        astray = [statistics.mean(each.astray for each in found) for found in (ours, theirs)]
        print(f"{variants:8}  {least:6.1%}  {cells[0]}  {cells[1]}  {astray[0]:18.2%}  {astray[1]:11.2%}")
    overall = [statistics.mean(row[column] for row in means) for column in (0, 1)]
    print(f"     all            {overall[0]:15.2f} x least  {overall[1]:13.2f} x least")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print_table("One variant's weight changed", one_changed, options)
    print_table("All weights changed, any shares", all_changed, options)
    print_table("All weights changed, each drawn from 1 to 100", all_alike, options)


if __name__ == "__main__":
    main()
