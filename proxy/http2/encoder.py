"""HPACK, encoding: what repeats is put into the peer's table once and referred to ever after.

Only fields whose names are `indexable` enter the table, so that nothing of one caller's (a token, a cookie,
a user's id) lies in a table that many callers share. The table is filled once and never evicts: a caller
that invents paths cannot push out what others need. It begins anew where the peer changes its size.

Source: RFC 7541, sections 6 and 7.1.
"""

from collections.abc import Sequence

from proxy.http2.decoder import TABLE_SIZE
from proxy.http2.fields import ENTRY_OVERHEAD, STATIC, Run, spelled, text
from proxy.http2.huffman import encode

INDEXABLE = frozenset({
    ":authority", ":path", "accept-encoding", "content-type", "grpc-accept-encoding", "grpc-encoding",
    "grpc-status", "server", "te", "user-agent", "x-understudy-hops", "x-understudy-variant",
})  # fmt: skip
"""Names whose values are few and nobody's secret."""

SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie"})
"""Names that are marked as never to be put into any table."""

_PER_NAME = 12
"""Entries of one name: callers choose paths."""

_LARGEST = 256
_KNOWN_RUNS = 512

_EXACT = {field: bytes((0x80 | index,)) for index, field in reversed(list(enumerate(STATIC, 1)))}
_NAMED = {name: index for index, (name, _) in reversed(list(enumerate(STATIC, 1)))}
_FIRST_DYNAMIC = len(STATIC) + 1


class Encoder:
    """One connection's encoding: the peer's table as it fills, and what became of every run."""

    __slots__ = ("_entries", "_known", "_limit", "_per_name", "_resizing", "_size", "indexable")

    def __init__(self, indexable: frozenset[str] = INDEXABLE) -> None:
        self.indexable = indexable
        self._limit = TABLE_SIZE
        self._entries: dict[tuple[str, str], int] = {}  # by order of entry
        self._per_name: dict[str, int] = {}
        self._size = 0
        self._known: dict[Run, bytes] = {}
        self._resizing = b""

    def __repr__(self) -> str:
        return f"<Encoder {len(self._entries)} entries, {self._size}/{self._limit} bytes>"

    def resize(self, allowed: int) -> None:
        """The peer's SETTINGS allow a table of so many bytes; we use at most the usual size of it."""
        limit = min(allowed, TABLE_SIZE)
        if limit != self._limit:
            self._limit = limit
            self._begin_anew()

    def only(self, indexable: frozenset[str]) -> None:
        """Put fields of these names into the table, and refer to no others that are in it."""
        if indexable != self.indexable:
            self.indexable = indexable
            self._begin_anew()

    def encode(self, parts: Sequence[Run | bytes]) -> bytes:
        """A block of runs and of fields that are encoded already."""
        known = self._known
        block = b"".join(
            [(known.get(part) or self._learn(part)) if part.__class__ is Run else part for part in parts]  # type: ignore[misc]  # told apart by their class
        )
        if self._resizing:
            block, self._resizing = self._resizing + block, b""
        return block

    def _begin_anew(self) -> None:
        """Empty the table, at the beginning of the next block."""
        self._resizing = spelled(0, 5, 0x20) + spelled(self._limit, 5, 0x20)
        self._entries.clear()
        self._per_name.clear()
        self._known.clear()
        self._size = 0

    def _learn(self, run: Run) -> bytes:
        before = len(self._entries)
        encoded = b"".join([self._field(name, value) for name, value in run.fields])
        if len(self._entries) != before:
            self._known.clear()  # every reference is another now, and this encoding has done its work
        else:
            if len(self._known) >= _KNOWN_RUNS:
                self._known.clear()
            self._known[run] = encoded
        return encoded

    def _field(self, name: str, value: str) -> bytes:
        exact = _EXACT.get((name, value))
        if exact is not None:
            return exact
        if name not in self.indexable:
            return literal(name, value)
        order = self._entries.get((name, value))
        if order is not None:
            return spelled(_FIRST_DYNAMIC + len(self._entries) - 1 - order, 7, 0x80)
        size = len(name) + len(value) + ENTRY_OVERHEAD
        count = self._per_name.get(name, 0)
        if size > _LARGEST or self._size + size > self._limit or count >= _PER_NAME:
            return literal(name, value)
        self._entries[name, value] = len(self._entries)
        self._per_name[name] = count + 1
        self._size += size
        return _spell(name, value, 6, 0x40)


def literal(name: str, value: str) -> bytes:
    """A field spelled out for no table, and marked as for none ever where it is a secret."""
    return _spell(name, value, 4, 0x10 if name in SECRET else 0)


def prefix(name: str) -> bytes:
    """The beginning of `literal(name, …)`, for values that are put together elsewhere."""
    return b"\0" + text(name)


def _spell(name: str, value: str, bits: int, flags: int) -> bytes:
    index = _NAMED.get(name)
    named = spelled(index, bits, flags) if index else bytes((flags,)) + coded(name)
    return named + coded(value)


def coded(value: str) -> bytes:
    """A string, in Huffman's code where that is shorter."""
    plain = text(value)
    short = encode(value.encode("latin-1"))
    return spelled(len(short), 7, 0x80) + short if len(short) + 1 < len(plain) else plain
