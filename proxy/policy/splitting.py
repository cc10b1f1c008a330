"""Which variant serves a call: by sticky key where there is one, else by a random draw.

Weighted rendezvous hashing: every variant scores `-ln(u) / weight` and the smallest score wins, where
`u = (h + ½) / 2⁶⁴` and `h` is xxh3_64 (seed 0) over salt, variant name and key with a NUL between them.
Each score is exponentially distributed with rate `weight`, so a variant wins with probability
weight / sum of weights; a variant's score depends on nothing but its own name and weight, so a weight
change moves no user between two variants whose weights stayed in proportion.

Source: Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (SPAA 2005), the logarithmic method;
Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous" (1996).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import xxhash

NUL = b"\0"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


V = TypeVar("V", bound=_Named)


@dataclass(frozen=True, slots=True)
class _Share(Generic[V]):
    variant: V
    weight: float
    up_to: float  # cumulative weight, this variant's included
    prefix: bytes  # salt NUL name NUL


@dataclass(frozen=True, slots=True)
class Split(Generic[V]):
    """Weights over variants; those of weight 0 are not in it."""

    shares: tuple[_Share[V], ...]
    total: float

    @classmethod
    def of(cls, weights: Mapping[V, float], salt: str) -> "Split[V]":
        """A split over the variants of weight above 0; their sum must be above 0 and finite."""
        shares = []
        total = 0.0
        for variant, weight in weights.items():
            if weight > 0:
                total += weight
                prefix = salt.encode() + NUL + variant.name.encode() + NUL
                shares.append(_Share(variant, weight, total, prefix))
        return cls(tuple(shares), total)

    def by_key(self, key: bytes) -> V:
        """The variant that this key is tied to; the same in every process."""
        shares = self.shares
        if len(shares) == 1:
            return shares[0].variant
        return min(shares, key=lambda share: score(share.prefix + key, share.weight)).variant

    def by_draw(self, draw: float) -> V:
        """The variant for a uniform random number from [0, 1)."""
        point = draw * self.total
        for share in self.shares:
            if point < share.up_to:
                return share.variant
        return self.shares[-1].variant


def score(data: bytes, weight: float) -> float:
    """How late a variant comes; the smallest wins. `data` is salt NUL name NUL key."""
    uniform = (xxhash.xxh3_64_intdigest(data) + 0.5) / 2**64
    return -math.log(uniform) / weight


def bucket(key: bytes) -> int:
    """One of 64 groups of users, independent of the split: the hash is salted otherwise."""
    return xxhash.xxh3_64_intdigest(b"bucket" + NUL + key) >> 58
