"""Which of a target's addresses takes a call, and which take none for now.

Power of two choices: of two addresses drawn at random the one with fewer calls in flight. Addresses whose
connection stands come before those that are still being tried; ejected ones take nothing.

Ejection is passive: learned from what calls and connections meet, never by probing.

    in use ── EJECT_AFTER failures in a row ──▶ ejected ── its time is over ──▶ in use, on probation
      ▲                                            ▲                               │
      └────────────────── a success ───────────────┼───────────────────────────────┤
                                                   └─── a failure: twice as long ◀─┘

Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

EJECT_AFTER = 3
FIRST_EJECTION = 1.0  # seconds
LONGEST_EJECTION = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Health:
    """Connection failures of one address in a row, and until when it is ejected for them."""

    failures: int = 0
    ejected_until: float = 0.0

    def failed(self, now: float) -> "Health":
        """One more call or connection did not get through."""
        if self.is_ejected(now):
            return self  # a call from before
        failures = self.failures + 1
        if failures < EJECT_AFTER:
            return Health(failures, self.ejected_until)
        ejected_for = min(FIRST_EJECTION * 2.0 ** min(failures - EJECT_AFTER, 16), LONGEST_EJECTION)
        return Health(failures, now + ejected_for)

    def is_ejected(self, now: float) -> bool:
        """Takes no calls."""
        return now < self.ejected_until


HEALTHY = Health()
"""What a success makes of every address."""


class Address(Protocol):
    """One place where a target listens, as far as the choice needs to know it."""

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        ...

    @property
    def connected(self) -> bool | None:
        """Whether its connection stands; None where that is not known yet."""
        ...

    @property
    def health(self) -> Health:
        """What calls met there."""
        ...


A = TypeVar("A", bound=Address)


def usable(addresses: Sequence[A], now: float) -> Sequence[A]:
    """Those that may take a call: connected ones, else those that are still being tried."""
    open_ones = [
        each for each in addresses if each.connected is not False and not each.health.is_ejected(now)
    ]
    return [each for each in open_ones if each.connected] or open_ones


def choose(addresses: Sequence[A], first: float, second: float) -> A | None:
    """The less busy of two, by two uniform random numbers from [0, 1); None where there is none."""
    count = len(addresses)
    if count < 2:
        return addresses[0] if addresses else None
    one = int(first * count)
    other = int(second * (count - 1))
    other += other >= one  # a second one, never the first again
    return min(addresses[one], addresses[other], key=_load)


def _load(address: Address) -> int:
    return address.in_flight
