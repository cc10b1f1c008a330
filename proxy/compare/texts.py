"""Strings or bytes of a prediction, read one by one where they stand.

No list of them is ever made: a million small objects cost milliseconds to make and, all at once and without
a pause for other threads, as many to throw away. What is the same in both predictions is not even read one by
one: the bytes that hold it are compared, and the texts from the first byte that differs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

STEP = 256 * 1024
"""Bytes compared at once."""

Read = Callable[[int, int], Iterator[memoryview]]
"""The texts from the one that stands at a place, so many having stood before it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What holds texts, one behind the other, and how: what is held alike is the same in the same bytes.

    `before` says where the last text stands that begins before a place, or an earlier one, and how many stand
    before that. It is missing where a text is held in one way only, so that other bytes are other texts.
    """

    content: memoryview
    how: str
    before: Callable[[int], tuple[int, int]] | None = None


class Texts:
    """Texts that can be read again and again."""

    __slots__ = ("_read", "packed")

    def __init__(self, read: Read, packed: Packed | None = None) -> None:
        self._read = read
        self.packed = packed

    @classmethod
    def of(cls, values: Sequence[bytes]) -> "Texts":
        """These."""
        return cls(lambda place, count: map(memoryview, values))  # noqa: ARG005  # read from the beginning only

    def __iter__(self) -> Iterator[memoryview]:
        return self._read(0, 0)

    def __repr__(self) -> str:
        return f"<Texts {[bytes(one) for one in self.first(3)]}>"

    def first(self, count: int) -> list[memoryview]:
        """As many of them, from the beginning."""
        return list(islice(self, count))

    def read(self, place: int, count: int) -> Iterator[memoryview]:
        """See Read."""
        return self._read(place, count)

    def same(self, other: "Texts") -> bool:
        """Whether these are those, in the same order."""
        place = count = 0
        mine, theirs = self.packed, other.packed
        if mine is not None and theirs is not None and mine.how == theirs.how:
            differs_at = _first_difference(mine.content, theirs.content)
            if differs_at is None:
                return True
            if mine.before is None:
                return False
            place, count = mine.before(differs_at)
        pairs = zip_longest(self._read(place, count), other.read(place, count))
        return all(one == another for one, another in pairs)


def same_bytes(a: bytes | memoryview, b: bytes | memoryview) -> bool:
    """Equality in steps, so that other threads get their turn in between."""
    if len(a) <= STEP:
        return a == b
    return len(a) == len(b) and (a is b or _first_difference(a, b) is None)


def _first_difference(a: bytes | memoryview, b: bytes | memoryview) -> int | None:
    """Where they differ first, be it that one ends; None where they do not."""
    shorter = min(len(a), len(b))
    for start in range(0, shorter, STEP):
        block, other = bytes(a[start : start + STEP]), bytes(b[start : start + STEP])
        if block != other:
            return start + _first_of(block, other)
    return None if len(a) == len(b) else shorter


def _first_of(a: bytes, b: bytes) -> int:
    """The same of two short ones that do differ, or where the shorter one ends."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high) // 2
        if a[low : middle + 1] == b[low : middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low
