"""Strings or bytes of a prediction, read one by one where they stand.

No list of them is ever made: a million small objects cost milliseconds to make and, all at once and without
a pause for other threads, as many to throw away.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest

STEP = 256 * 1024
"""Bytes compared at once."""


class Texts:
    """Texts that can be read again and again; `packed` holds all of them where they stand behind lengths."""

    __slots__ = ("_read", "packed")

    def __init__(self, read: Callable[[], Iterator[memoryview]], packed: memoryview | None = None) -> None:
        self._read = read
        self.packed = packed

    @classmethod
    def of(cls, values: Sequence[bytes]) -> "Texts":
        """These."""
        return cls(lambda: map(memoryview, values))

    def __iter__(self) -> Iterator[memoryview]:
        return self._read()

    def __repr__(self) -> str:
        return f"<Texts {[bytes(one) for one in self.first(3)]}>"

    def first(self, count: int) -> list[memoryview]:
        """As many of them, from the beginning."""
        return list(islice(self, count))

    def same(self, other: "Texts") -> bool:
        """Whether these are those, in the same order."""
        if self.packed is not None and other.packed is not None:
            return same_bytes(self.packed, other.packed)
        return all(one == another for one, another in zip_longest(self, other))


def same_bytes(a: bytes | memoryview, b: bytes | memoryview) -> bool:
    """Equality in steps, so that other threads get their turn in between."""
    if len(a) != len(b):
        return False
    return a is b or all(a[at : at + STEP] == b[at : at + STEP] for at in range(0, len(a), STEP))
