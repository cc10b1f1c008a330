"""A quantile of the candidate's latency against a multiple of the other arm's."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from control.rollout.histogram import Histogram
from control.rollout.sequential.decision import Decision, decide
from control.rollout.sequential.dispersion import Cell, design_effect
from control.rollout.sequential.mixtures import BEYOND
from control.rollout.sequential.rates import WITHIN, evidence
from control.rollout.sequential.tallies import Stratum

MAX_BLOCKS = 64
BLOCK_CALLS = 40

Block = tuple[Histogram, Histogram]
"""The candidate's latencies in a stretch of time, and the other's."""


@dataclass(frozen=True, slots=True)
class QuantileTest:
    """Whether the candidate's `quantile` exceeds `factor` times the other's.

    Two confidence sequences for a quantile (Howard & Ramdas 2022), each at half of alpha: q exceeds y exactly
    if more than 1 - quantile of the calls are slower than y, which is a rate against a bound. Beyond: for
    some y the other's quantile lies below y and the candidate's above factor * y. The search for y costs
    nothing: what is slower than y only shrinks as y grows, so only the true quantile could mislead.
    Histogram buckets that a threshold cuts are counted to the side that makes the proof harder.
    """

    quantile: float
    factor: float
    candidate: Histogram = field(default_factory=Histogram)
    other: Histogram = field(default_factory=Histogram)
    blocks: tuple[Block, ...] = ()
    size: int = BLOCK_CALLS

    def seen(self, stratum: Stratum) -> "QuantileTest":
        """With one more stratum."""
        mine = stratum.candidate_latency or Histogram()
        theirs = stratum.other_latency or Histogram()
        if not (mine.count or theirs.count):
            return self
        blocks, size = _put(self.blocks, (mine, theirs), self.size)
        return replace(
            self,
            candidate=self.candidate.merge(mine),
            other=self.other.merge(theirs),
            blocks=blocks,
            size=size,
        )

    def judge(self, alpha: float) -> Decision:
        """Both sides, each proven at `alpha`."""
        mine, theirs = self.candidate.quantile(self.quantile), self.other.quantile(self.quantile)
        if mine is None or theirs is None:
            return decide(0.0, 0.0, alpha, None)
        # Each half is proven at alpha / 2; the weaker of the two is what is proven.
        beyond = self._beyond() - math.log(2)
        within = self._within() - math.log(2)
        return decide(beyond, within, alpha, mine / theirs if theirs else None, self._effect(theirs))

    def _beyond(self) -> float:
        """The other's quantile lies below y, the candidate's above factor * y."""
        y = _meeting(
            _edges(self.other, self.quantile),
            growing=lambda y: self._few([self.other], y),
            shrinking=lambda y: self._many([self.candidate], self.factor * y),
        )
        if y is None:
            return 0.0
        theirs = [block[1] for block in self.blocks]
        mine = [block[0] for block in self.blocks]
        return min(self._few(theirs, y), self._many(mine, self.factor * y))

    def _within(self) -> float:
        """The other's quantile lies above y, the candidate's below factor * y."""
        y = _meeting(
            _edges(self.other, self.quantile),
            growing=lambda y: self._few([self.candidate], self.factor * y),
            shrinking=lambda y: self._many([self.other], y),
        )
        if y is None:
            return 0.0
        theirs = [block[1] for block in self.blocks]
        mine = [block[0] for block in self.blocks]
        return min(self._few(mine, self.factor * y), self._many(theirs, y))

    def _few(self, parts: Sequence[Histogram], y: float) -> float:
        """Evidence that fewer than 1 - quantile of the calls are slower than y."""
        return self._weighed([_slower(part, y, whole=False) for part in parts], beyond=False)

    def _many(self, parts: Sequence[Histogram], y: float) -> float:
        """Evidence that more than that are."""
        return self._weighed([_slower(part, y, whole=True) for part in parts], beyond=True)

    def _weighed(self, cells: Sequence[Cell], *, beyond: bool) -> float:
        """Discounted for what clusters among the parts; one part has none."""
        n, bad = sum(cell[0] for cell in cells), sum(cell[1] for cell in cells)
        allowed = round(1 - self.quantile, 12)
        if beyond and len(cells) > 1:
            worst = sorted((cell[1] for cell in cells), reverse=True)
            bad -= worst[0] - worst[1]
        return evidence(BEYOND if beyond else WITHIN, allowed, n, bad) / design_effect(cells)

    def _effect(self, theirs: float) -> float:
        mine = design_effect([_slower(block[0], self.factor * theirs, whole=True) for block in self.blocks])
        other = design_effect([_slower(block[1], theirs, whole=True) for block in self.blocks])
        return max(mine, other)


def _put(blocks: tuple[Block, ...], new: Block, size: int) -> tuple[tuple[Block, ...], int]:
    """With one more window, in blocks of at least `size` calls; they double where there would be too many."""
    if blocks and sum(each.count for each in blocks[-1]) < size:
        blocks = (*blocks[:-1], _merged(blocks[-1], new))
    else:
        blocks = (*blocks, new)
    if len(blocks) <= MAX_BLOCKS:
        return blocks, size
    pairs = zip(blocks[::2], blocks[1::2], strict=False)
    halved = tuple(_merged(first, second) for first, second in pairs)
    return ((*halved, blocks[-1]) if len(blocks) % 2 else halved), size * 2


def _merged(first: Block, second: Block) -> Block:
    return first[0].merge(second[0]), first[1].merge(second[1])


def _meeting(
    edges: Sequence[float], *, growing: Callable[[float], float], shrinking: Callable[[float], float]
) -> float | None:
    """Where the lesser of two evidences is largest; one grows with y, the other shrinks."""
    low, high = 0, len(edges)
    while low < high:
        middle = (low + high) // 2
        if growing(edges[middle]) < shrinking(edges[middle]):
            low = middle + 1
        else:
            high = middle
    around = edges[max(0, low - 1) : low + 1]
    return max(around, key=lambda y: min(growing(y), shrinking(y)), default=None)


def _edges(histogram: Histogram, quantile: float) -> list[float]:
    """Edges of buckets from half of the measured quantile to twice as much: where proof can lie."""
    middle = histogram.quantile(quantile)
    if not middle:
        return []
    nearest = round(math.log2(middle) * 2**histogram.scale)
    reach = 2**histogram.scale  # from half of it to twice as much
    step = max(1, reach // 16)
    return [
        2.0 ** (index / 2**histogram.scale) for index in range(nearest - reach, nearest + reach + 1, step)
    ]


def _slower(histogram: Histogram, y: float, *, whole: bool) -> Cell:
    """Calls, and those slower than y: of a bucket that y cuts all or, if `whole`, none."""
    base = 2.0**-histogram.scale
    slower = 0
    for index, count in histogram.buckets.items():
        edge = 2.0 ** ((index if whole else index + 1) * base)
        if edge > y * (1 + 1e-12) or (whole and edge >= y * (1 - 1e-12)):
            slower += count
    return histogram.count, slower
