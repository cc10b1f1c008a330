"""Whether the split that is observed is the one that was asked for.

A split that goes wrong (a cache before the sidecar, a key that one sidecar does not see, callers who pin a
connection) makes every comparison of the two arms worthless, however well it looks. What is counted: calls
that a random draw decided, and users, each once in the whole rollout, whatever number of sidecars and stages
meet them. Never the calls of sticky users: a busy one would be hundreds of draws that were none.

The test is Lindon & Malek's (2022, "Anytime-valid inference for multinomial count data") with two cells: the
likelihood of the counts, mixed over shares around the one asked for by a Beta distribution, against that of
the share itself. Under the right share it exceeds 1 / alpha at any time with probability alpha at most.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

ALPHA = 0.01
"""The chance of a false alarm over the whole rollout."""

CONCENTRATION = 200.0
"""How near to the share asked for the mixture looks: as near as if this many calls had shown it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many the split gave to the candidate, and how many to stable."""

    candidate: int = 0
    stable: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.candidate + other.candidate, self.stable + other.stable)


@dataclass(frozen=True, slots=True)
class Seen:
    """The numbers of users met so far: sets of which each is at least twice as large as the next, so that
    adding to them costs little and what was before stays as it was.
    """

    sets: tuple[frozenset[int], ...] = ()

    def __contains__(self, user: int) -> bool:
        return any(user in one for one in self.sets)

    def plus(self, users: Iterable[int]) -> "Seen":
        """With these as well."""
        new = frozenset(users)
        if not new:
            return self
        sets = self.sets
        while sets and len(sets[-1]) < 2 * len(new):
            new, sets = new | sets[-1], sets[:-1]
        return Seen((*sets, new))


@dataclass(frozen=True, slots=True)
class Split:
    """What the split of the current stage gave to whom; `met` are the users of the whole rollout."""

    drawn: Counts = Counts()
    users: Counts = Counts()
    met: Seen = field(default_factory=Seen)

    def drew(self, *, candidate: int = 0, stable: int = 0) -> "Split":
        """With calls that a draw decided."""
        return Split(self.drawn + Counts(candidate, stable), self.users, self.met)

    def assigned(self, users: Iterable[int], *, to_candidate: bool, counts: bool = True) -> "Split":
        """With users who were given a variant: those that nobody had met before count, if they are to."""
        new = [user for user in dict.fromkeys(users) if user not in self.met]
        many = len(new) if counts else 0
        more = Counts(many, 0) if to_candidate else Counts(0, many)
        return Split(self.drawn, self.users + more, self.met.plus(new))

    def entered(self) -> "Split":
        """As the next stage begins."""
        return Split(met=self.met)


def mismatch(split: Split, share: float, stages: int) -> str:
    """What is wrong with the split of a stage that gives the candidate `share` (0 to 1) of what the two
    divide; empty where nothing is proven. `stages` that are tested share the chance of a false alarm.
    """
    if not 0 < share < 1:
        return ""
    limit = math.log(2 * stages / ALPHA)
    for counts, what in ((split.drawn, "calls drawn at random"), (split.users, "users")):
        if evidence(counts, share) >= limit:
            total = counts.candidate + counts.stable
            return (
                f"the candidate got {counts.candidate} of {total} {what}, {counts.candidate / total:.2%} "
                f"where {share:.2%} were asked for"
            )
    return ""


def evidence(counts: Counts, share: float) -> float:
    """The logarithm of the e-value against `share`."""
    a, b = CONCENTRATION * share, CONCENTRATION * (1 - share)
    mixed = _log_beta(a + counts.candidate, b + counts.stable) - _log_beta(a, b)
    return mixed - counts.candidate * math.log(share) - counts.stable * math.log1p(-share)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
