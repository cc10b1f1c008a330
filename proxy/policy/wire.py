"""Finding one field in a serialised message without parsing it.

Walks protobuf's wire format (tag, then varint / 8 bytes / length-delimited / 4 bytes) at the levels of a
path only; everything else is stepped over by its length. Hostile input (cut short, a wrong wire type, a
length past the end, a varint without an end) means "not found", never an exception.

Source: protobuf documentation, "Encoding".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

MAX_FIELDS = 10_000
"""Fields walked over in one search, a few milliseconds; a message of more has no key for us."""


_FIXED = {1: 8, 5: 4}
"""Bytes of the wire types that have always as many."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A step into a map<string, …> field: the value under one key."""

    field: int
    key: bytes


Path = tuple[int | Entry, ...]
"""Field numbers from the outermost message to a string or bytes field."""

Span = tuple[int, int]
"""Where a field's content begins and ends in the message."""


class Found(NamedTuple):
    """A field's content, and the offset of its last byte in the message."""

    value: bytes
    end: int


def find(message: bytes, path: Path, limit: int) -> Found | None:
    """The content of the field at `path` within the message's first `limit` bytes; the last one wins."""
    walk = _Walk(message, limit)
    span = walk.last((0, len(message)), path)
    if span is None or span[1] > limit or walk.fields_left < 0:
        return None
    return Found(message[slice(*span)], span[1])


class _Walk:
    """One search through one message."""

    __slots__ = ("_limit", "_message", "fields_left")

    def __init__(self, message: bytes, limit: int) -> None:
        self._message = message
        self._limit = limit
        self.fields_left = MAX_FIELDS

    def last(self, span: Span, path: Path) -> Span | None:
        """Where the field at `path` stands, by a parser's rules for what comes more than once.

        The parts of a message add up; a map's entry replaces the one of the same key.
        """
        if not path:
            return span
        step, rest = path[0], path[1:]
        found: Span | None = None
        for field, start, end in self._fields(span):
            if isinstance(step, int):
                if field == step:
                    found = self.last((start, end), rest) or found
            elif field == step.field:
                value = self._value_of((start, end), step.key)
                found = self.last(value, rest) if value else found
        return found

    def _value_of(self, entry: Span, key: bytes) -> Span | None:
        """The span of a map entry's value (field 2), where its key (field 1) is `key`."""
        matches = key == b""
        value = (entry[1], entry[1])
        for field, start, end in self._fields(entry):
            if field == 1:
                matches = self._message[start:end] == key
            elif field == 2:
                value = (start, end)
        return value if matches else None

    def _fields(self, span: Span) -> Iterator[tuple[int, int, int]]:
        """(field number, start, end) of each length-delimited field that begins below the limit."""
        message = self._message
        position, end = span
        stop = min(end, self._limit)
        while position < stop and self.fields_left >= 0:
            self.fields_left -= 1
            tag = message[position]
            position += 1
            if tag >= 0x80:  # nearly all tags and most lengths are one byte: no call for those
                tag, position = _varint(message, position - 1, end)
                if position < 0:
                    return
            kind = tag & 7
            if kind == 2:
                length = message[position] if position < end else 0x80
                position += 1
                if length >= 0x80:
                    length, position = _varint(message, position - 1, end)
                if position < 0 or length > end - position:
                    return
                yield tag >> 3, position, position + length
                position += length
            elif kind == 0:
                _, position = _varint(message, position, end)
            elif kind in _FIXED:
                position += _FIXED[kind]
            else:
                return
            if position < 0 or position > end:
                return


def _varint(message: bytes, position: int, end: int) -> tuple[int, int]:
    """A varint and the position after it; position -1 where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            return 0, -1
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return 0, -1
