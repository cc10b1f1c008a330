"""Finding one field in a serialised message without parsing it.

Walks protobuf's wire format (tag, then varint / 8 bytes / length-delimited / 4 bytes) at the levels of a
path only; everything else is stepped over by its length. Hostile input (cut short, a wrong wire type, a
length past the end, a varint without an end) means "not found", never an exception.

Source: protobuf documentation, "Encoding".
"""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_FIELDS = 100_000
"""Fields walked over on one level; a message of more has no key for us."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A step into a map<string, …> field: the value under one key."""

    field: int
    key: bytes


Path = tuple[int | Entry, ...]
"""Field numbers from the outermost message to a string or bytes field."""


@dataclass(frozen=True, slots=True)
class Found:
    """A field's content, and the offset of its last byte in the message."""

    value: bytes
    end: int


def find(message: bytes, path: Path, limit: int) -> Found | None:
    """The content of the field at `path` within the message's first `limit` bytes; the last one wins."""
    span = (0, len(message))
    for step in path:
        number = step.field if isinstance(step, Entry) else step
        found: tuple[int, int] | None = None
        for field, start, end in _fields(message, *span, limit):
            if field == number:
                inner = (
                    _value_of(message, start, end, step.key, limit)
                    if isinstance(step, Entry)
                    else (start, end)
                )
                found = inner or found
        if found is None:
            return None
        span = found
    start, end = span
    return Found(message[start:end], end) if end <= limit else None


def _value_of(message: bytes, start: int, end: int, key: bytes, limit: int) -> tuple[int, int] | None:
    """The span of a map entry's value (field 2), where its key (field 1) is `key`."""
    matches = key == b""
    value = None
    for field, inner_start, inner_end in _fields(message, start, end, limit):
        if field == 1:
            matches = message[inner_start:inner_end] == key
        elif field == 2:
            value = (inner_start, inner_end)
    return value if matches else None


def _fields(message: bytes, start: int, end: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each length-delimited field that begins below `limit`."""
    position = start
    stop = min(end, limit)
    for _ in range(MAX_FIELDS):
        if position >= stop:
            return
        tag, position = _varint(message, position, end)
        if position < 0:
            return
        match tag & 7:
            case 0:
                _, position = _varint(message, position, end)
            case 1:
                position += 8
            case 2:
                length, position = _varint(message, position, end)
                if position < 0 or length > end - position:
                    return
                yield tag >> 3, position, position + length
                position += length
            case 5:
                position += 4
            case _:
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
