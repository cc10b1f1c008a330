"""What a test says."""

import math
from dataclasses import dataclass
from enum import StrEnum


class Finding(StrEnum):
    """On which side of the boundary the truth lies, as far as it is proven."""

    WITHIN = "within"
    BEYOND = "beyond"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Decision:
    """The evidence for either side, as logarithms of e-values, and the limit at which it is proof.

    `estimate` is what was measured (a rate, a ratio, a difference, a quotient of quantiles); None without
    data. `discount` is the design effect that both were divided by: 1 where calls were independent.
    `suspected` is what `beyond` would be if calls were independent and bursts no bursts: it proves nothing.
    """

    finding: Finding
    beyond: float
    within: float
    limit: float
    estimate: float | None
    discount: float = 1.0
    suspected: float = 0.0


def decide(
    beyond: float,
    within: float,
    alpha: float,
    estimate: float | None,
    discount: float = 1.0,
    suspected: float | None = None,
) -> Decision:
    """Proof is an e-value of 1 / alpha (Ville's inequality); both at once prove nothing."""
    limit = -math.log(alpha)
    finding = Finding.UNDECIDED
    if beyond >= limit > within:
        finding = Finding.BEYOND
    elif within >= limit > beyond:
        finding = Finding.WITHIN
    suspected = beyond if suspected is None else suspected
    return Decision(finding, beyond, within, limit, estimate, discount, suspected)
