"""How much less calls are worth than their number, because they come in clusters.

A test that takes calls for independent believes a user who fails a hundred times to be a hundred failures.
What is known of survey samples holds here: the variance of a total of clusters is estimated by the squares
of what each cluster deviates by from its share (Kish 1965; Liang & Zeger 1986, the "sandwich" estimator),
and its quotient by the variance of independent calls, the design effect, is how many calls are worth one.
Log-likelihood ratios are divided by it, as quasi-likelihood has it (Wedderburn 1974).

Clusters are looked for between users (the 64 buckets of a sticky key) and between stretches of time (cells of
at least CELL_CALLS calls, so that a burst of a few dozen calls lies in one of them). A design effect above 1
counts only where chance alone would hardly show it: else every test would pay for the noise of its estimate.

Looks are many (one after every report), clusters too. So neither is gone through at a look: six sums of whole
numbers say all that the estimate needs, exactly, and move with the few clusters that a window adds to.
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
class Moments:
    """Sums over clusters of n calls and b bad ones: of 1, n, b, n n, n b and b b."""

    clusters: int = 0
    calls: int = 0
    bad: int = 0
    calls_squared: int = 0
    calls_bad: int = 0
    bad_squared: int = 0

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> "Moments":
        return cls().moved((), cells)

    def moved(self, gone: Iterable[Cell], come: Iterable[Cell]) -> "Moments":
        """Without some clusters and with others; of one without calls nothing is known."""
        sums = [self.clusters, self.calls, self.bad, self.calls_squared, self.calls_bad, self.bad_squared]
        for sign, cells in ((-1, gone), (1, come)):
            for n, bad in cells:
                if n:
                    sums[0] += sign
                    sums[1] += sign * n
                    sums[2] += sign * bad
                    sums[3] += sign * n * n
                    sums[4] += sign * n * bad
                    sums[5] += sign * bad * bad
        return Moments(*sums)

    def design_effect(self) -> float:
        """1 where it may be chance."""
        count, n, bad = self.clusters, self.calls, self.bad
        if count < 2 or not 0 < bad < n:
            return 1.0
        # n^2 times the sum of (b - n rate)^2 is whole: nothing is lost where that is nearly 0.
        scaled = n * n * self.bad_squared + bad * (bad * self.calls_squared - 2 * n * self.calls_bad)
        squares = scaled / (n * n)
        variance = bad / n * (1 - bad / n)  # of one independent call
        whole = n * variance
        effect = squares / whole * count / (count - 1)
        # The variance of a sum of squares of Poisson deviations is the sum of mean + 2 mean^2.
        noise = math.sqrt(whole + 2 * variance * variance * self.calls_squared) / whole
        if effect <= 1 + SIGNIFICANT * noise:
            return 1.0
        return effect * (1 + math.sqrt(effect / bad))  # of few clusters it is known roughly only


NONE = Moments()


@dataclass(frozen=True, slots=True)
class Spread:
    """How one arm's calls lie over users and over time."""

    total: Tally = Tally()  # noqa: RUF009 - it is frozen
    buckets: Mapping[int, Cell] = field(default_factory=dict)
    of_buckets: Moments = NONE
    cells: tuple[Cell, ...] = ()
    of_cells: Moments = NONE  # without the open one
    worst: tuple[int, int] = (0, 0)  # the most bad events in one of them, and in the next
    open: Cell = (0, 0)  # the cell that is being filled
    size: int = CELL_CALLS  # calls that fill a cell

    def seen(self, tally: Tally) -> "Spread":
        """With one more window."""
        if not tally.n:
            return self
        n, bad = self.open[0] + tally.n, self.open[1] + tally.bad
        cells, size, rest = self.cells, self.size, (n, bad)
        of_cells, worst = self.of_cells, self.worst
        if n >= size:
            cells, of_cells = (*cells, rest), of_cells.moved((), (rest,))
            worst, rest = _worst((*worst, bad)), (0, 0)
            if len(cells) > MAX_CELLS:
                cells, size = _halved(cells), size * 2
                of_cells, worst = Moments.of(cells), _worst(bad for _, bad in cells)
        total = Tally(self.total.n + tally.n, self.total.bad + tally.bad)
        buckets, of_buckets = self._with(tally.buckets)
        return Spread(total, buckets, of_buckets, cells, of_cells, worst, rest, size)

    def _with(self, more: Mapping[int, Cell]) -> tuple[Mapping[int, Cell], Moments]:
        if not more:
            return self.buckets, self.of_buckets
        before = [self.buckets.get(bucket, (0, 0)) for bucket in more]
        after = [(n + old[0], bad + old[1]) for (n, bad), old in zip(more.values(), before, strict=True)]
        together = {**self.buckets, **dict(zip(more, after, strict=True))}
        return together, self.of_buckets.moved(before, after)

    def design_effect(self) -> float:
        """1 where calls are independent as far as can be seen; n where n of them are worth one."""
        everything = self.of_cells.moved((), (self.open,))
        return max(1.0, self.of_buckets.design_effect(), everything.design_effect())

    def excess(self) -> int:
        """Bad events by which the worst cell exceeds the second: a single burst, maybe, and no rate."""
        first, second = _worst((*self.worst, self.open[1]))
        return first - second


def _worst(bad: Iterable[int]) -> tuple[int, int]:
    """The largest, and the next; 0 where there is none."""
    first = second = 0
    for each in bad:
        if each > first:
            first, second = each, first
        elif each > second:
            second = each
    return first, second


def _halved(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Neighbours together; an odd one at the end stays alone."""
    pairs = zip(cells[::2], cells[1::2], strict=False)
    halved = [(first[0] + second[0], first[1] + second[1]) for first, second in pairs]
    return (*halved, cells[-1]) if len(cells) % 2 else tuple(halved)


def design_effect(cells: Iterable[Cell]) -> float:
    """The design effect between these clusters; 1 where it may be chance."""
    return Moments.of(cells).design_effect()
