"""One timer for every deadline: items by the tick in which they are due.

Adding and taking out cost a dictionary's access each. Ticks are as coarse as nobody notices.
"""

import heapq
import math
from typing import Generic, TypeVar

TICK = 0.002
"""Seconds; an item is due at the end of its tick, never before its time."""

T = TypeVar("T")


class Wheel(Generic[T]):
    """Items that wait for their time."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[T, None]] = {}
        self._ticks: list[int] = []  # of the slots, as a heap

    def __repr__(self) -> str:
        return f"<Wheel {sum(map(len, self._slots.values()))} items in {len(self._slots)} slots>"

    def add(self, item: T, at: float) -> int:
        """Let an item be due; gives the slot to take it out of."""
        tick = math.ceil(at / TICK)
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = {}
            heapq.heappush(self._ticks, tick)
        slot[item] = None
        return tick

    def discard(self, item: T, tick: int) -> None:
        """Take an item out, if it is still there."""
        slot = self._slots.get(tick)
        if slot is not None:
            slot.pop(item, None)

    def due(self, now: float) -> list[T]:
        """Take out everything whose time has come, the earliest first."""
        found: list[T] = []
        while self._ticks and (self._ticks[0] * TICK <= now or not self._slots[self._ticks[0]]):
            found += self._slots.pop(heapq.heappop(self._ticks))
        return found

    @property
    def next(self) -> float | None:
        """When something may be due next; None where nothing waits."""
        return self._ticks[0] * TICK if self._ticks else None
