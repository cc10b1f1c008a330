"""How much less calls are worth than their number, because they come in clusters.

A test that takes calls for independent believes a user who fails a hundred times to be a hundred failures.
What is known of survey samples holds here: the variance of a total of clusters is estimated by the squares
of what each cluster deviates by from its share (Kish 1965; Liang & Zeger 1986, the "sandwich" estimator),
and its quotient by the variance of independent calls, the design effect, is how many calls are worth one.
Log-likelihood ratios are divided by it, as quasi-likelihood has it (Wedderburn 1974).

Clusters are looked for between users (the 64 buckets of a sticky key) and between stretches of time (cells of
at least CELL_CALLS calls, so that a burst of a few dozen calls lies in one of them). A design effect above 1
counts only where chance alone would hardly show it: else every test would pay for the noise of its estimate.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from control.rollout.sequential.tallies import Tally

CELL_CALLS = 40
MAX_CELLS = 128
SIGNIFICANT = 2.0
"""Standard deviations of its estimate by which a design effect must exceed 1 to be taken for one."""

Cell = tuple[int, int]
"""Calls, and the bad ones among them."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How one arm's calls lie over users and over time."""

    total: Tally = Tally()  # noqa: RUF009 - it is frozen
    buckets: Mapping[int, Cell] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    open: Cell = (0, 0)  # the cell that is being filled
    size: int = CELL_CALLS  # calls that fill a cell

    def seen(self, tally: Tally) -> "Spread":
        """With one more window."""
        if not tally.n:
            return self
        n, bad = self.open[0] + tally.n, self.open[1] + tally.bad
        cells, size, rest = self.cells, self.size, (n, bad)
        if n >= size:
            cells, rest = (*cells, rest), (0, 0)
            if len(cells) > MAX_CELLS:
                cells, size = _halved(cells), size * 2
        total = Tally(self.total.n + tally.n, self.total.bad + tally.bad)
        return Spread(total, _added(self.buckets, tally.buckets), cells, rest, size)

    def design_effect(self) -> float:
        """1 where calls are independent as far as can be seen; n where n of them are worth one."""
        everything = (*self.cells, self.open) if self.open[0] else self.cells
        return max(1.0, design_effect(self.buckets.values()), design_effect(everything))

    def excess(self) -> int:
        """Bad events by which the worst cell exceeds the second: a single burst, maybe, and no rate."""
        worst = sorted((bad for _, bad in (*self.cells, self.open)), reverse=True)[:2]
        return worst[0] - (worst[1] if len(worst) > 1 else 0) if worst else 0


def _added(before: Mapping[int, Cell], more: Mapping[int, Cell]) -> Mapping[int, Cell]:
    if not more:
        return before
    sums = dict(before)
    for bucket, (n, bad) in more.items():
        so_far = sums.get(bucket, (0, 0))
        sums[bucket] = (so_far[0] + n, so_far[1] + bad)
    return sums


def _halved(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Neighbours together; an odd one at the end stays alone."""
    pairs = zip(cells[::2], cells[1::2], strict=False)
    halved = [(first[0] + second[0], first[1] + second[1]) for first, second in pairs]
    return (*halved, cells[-1]) if len(cells) % 2 else tuple(halved)


def design_effect(cells: Iterable[Cell]) -> float:
    """The design effect between these clusters; 1 where it may be chance."""
    filled = [cell for cell in cells if cell[0]]
    n, bad = sum(cell[0] for cell in filled), sum(cell[1] for cell in filled)
    if len(filled) < 2 or not 0 < bad < n:
        return 1.0
    rate = bad / n
    chance = [cell[0] * rate * (1 - rate) for cell in filled]
    squares = math.fsum((cell[1] - cell[0] * rate) ** 2 for cell in filled)
    whole = math.fsum(chance)
    effect = squares / whole * len(filled) / (len(filled) - 1)
    # The variance of a sum of squares of Poisson deviations is the sum of mean + 2 mean^2.
    noise = math.sqrt(math.fsum(one + 2 * one * one for one in chance)) / whole
    if effect <= 1 + SIGNIFICANT * noise:
        return 1.0
    return effect * (1 + math.sqrt(effect / bad))  # of few clusters it is known roughly only
