"""How many calls a proof will take: what the likelihood ratio grows by with each, against what it must reach.

The expected growth is the Kullback-Leibler divergence between what is true and the boundary (Wald 1945), and
the mixture's price is added to the limit. An estimate for people who plan, not a promise.
"""

import math

PRICE = 1.2
"""What the mixture costs beyond the best of its alternatives, in nats, about."""


def calls_for_rate(bound: float, rate: float, alpha: float) -> float:
    """Calls until it is proven on which side of `bound` an arm lies whose rate is `rate`; inf: never."""
    if bound <= 0:
        return 1 / rate if rate > 0 else math.inf
    return _calls(_divergence(rate, bound), alpha)


def calls_for_ratio(factor: float, candidate: float, stable: float, share: float, alpha: float) -> float:
    """Calls of both arms, of which `share` (0 to 1) are the candidate's; inf: never."""
    bad = share * candidate + (1 - share) * stable
    if bad <= 0:
        return math.inf
    truly = share * candidate / bad
    boundary = factor * share / (factor * share + 1 - share)
    return _calls(bad * _divergence(truly, boundary), alpha)


def calls_for_difference(margin: float, candidate: float, stable: float, share: float, alpha: float) -> float:
    """Calls of both arms; inf: never."""
    low, high = max(0.0, -margin), min(1.0, 1.0 - margin)
    best = math.inf
    for step in range(1001):
        rate = low + (high - low) * (step / 1000) ** 3  # finer where rates are small
        mine, theirs = _divergence(candidate, rate + margin), _divergence(stable, rate)
        best = min(best, share * mine + (1 - share) * theirs)
    return _calls(best, alpha / math.e**2)  # two unknown rates cost more than one


def _calls(growth: float, alpha: float) -> float:
    return (PRICE - math.log(alpha)) / growth if growth > 1e-9 else math.inf


def _divergence(truth: float, other: float) -> float:
    """Of Bernoulli(truth) from Bernoulli(other), in nats."""
    total = 0.0
    for mine, theirs in ((truth, other), (1 - truth, 1 - other)):
        if mine > 0:
            total += mine * math.log(mine / theirs) if theirs > 0 else math.inf
    return max(0.0, total)
