"""Mixtures of likelihood ratios over a grid of alternatives.

A mixture of e-processes is an e-process (Robbins 1970, "Statistical methods related to the law of the
iterated logarithm"): spread over alternatives it finds each of them at the price of the logarithm of its
weight, without knowing which it is.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """Alternatives on one side of a boundary, as multiples of it, with the logarithms of their weights."""

    multiples: tuple[float, ...]
    log_weights: tuple[float, ...]

    @classmethod
    def of(cls, weighted: Iterable[tuple[float, float]]) -> "Grid":
        pairs = sorted(weighted)
        total = sum(weight for _, weight in pairs)
        return cls(tuple(m for m, _ in pairs), tuple(math.log(w / total) for _, w in pairs))

    def mixed(self, logs: Sequence[float]) -> float:
        """The logarithm of the mixture of what each alternative's likelihood ratio has come to."""
        terms = [weight + log for weight, log in zip(self.log_weights, logs, strict=True)]
        return log_sum(terms)


def log_sum(terms: Sequence[float]) -> float:
    """log(sum(exp(each))), without overflow."""
    most = max(terms)
    if math.isinf(most):
        return most
    return most + math.log(math.fsum(math.exp(each - most) for each in terms))


BEYOND = Grid.of([(1.2, 0.5), (1.5, 1.0), (2.0, 1.5), (3.0, 1.5), (5.0, 1.5), (10.0, 0.75), (40.0, 0.5)])
"""Multiples of a boundary that are worth finding soon; small ones cost more calls, so they may come later."""


def within(equal: float | None = None) -> Grid:
    """The alternatives on the good side. `equal`: the multiple at which the two arms are the same, which is
    what most candidates are, gets half of the weight.
    """
    usual = [
        (1 / multiple, math.exp(log) / 2)
        for multiple, log in zip(BEYOND.multiples, BEYOND.log_weights, strict=True)
    ]
    if equal is None or not 0 < equal < 1:
        return Grid.of(usual)
    return Grid.of([*((m, w) for m, w in usual if m != equal), (equal, 0.5)])
