"""Reading protobuf's wire format without copying what is large.

Contents are views into the message, and packed numbers are read by numpy, a block at a time: a thread that
compares a large tensor never keeps the event loop from running for long.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxy.compare.answers import Undecodable
from proxy.compare.texts import Packed, Texts

BLOCK = 32 * 1024
"""Values, or bytes of varints, that are worked on at once."""

Field = tuple[int, int, int | memoryview]
"""Field number, wire type, and its varint or its bytes."""


def fields(message: memoryview, position: int = 0) -> Iterator[Field]:
    """Every field of a message, or those from one on that begins at that place."""
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield tag >> 3, wire, value
            continue
        length, position = _length(message, wire, position)
        if position + length > len(message):
            raise Undecodable("cut short")
        yield tag >> 3, wire, message[position : position + length]
        position += length


def contents(message: memoryview, number: int) -> list[memoryview]:
    """What a message or bytes field holds, once for each time it is there."""
    return [value for found, _, value in fields(message) if found == number and isinstance(value, memoryview)]


def joined(parts: Iterable[int | memoryview]) -> memoryview:
    """Pieces of one packed field as one; the usual one piece stays where it is."""
    pieces = [piece for piece in parts if isinstance(piece, memoryview)]
    if len(pieces) == 1:
        return pieces[0]
    whole = bytearray()
    for piece in pieces:
        whole += piece
    return memoryview(whole)


def numbers(packed: memoryview, dtype: str) -> NDArray[Any]:
    """Numbers of a fixed size, where they stand."""
    if len(packed) % np.dtype(dtype).itemsize:
        raise Undecodable("contents cut short")
    return np.frombuffer(packed, dtype)


def varints(parts: Iterable[int | memoryview]) -> NDArray[np.uint64]:
    """Varints, packed or one by one, as 64 bits each."""
    found: list[NDArray[np.uint64]] = []
    for part in parts:
        if isinstance(part, int):
            found.append(np.array([part & (2**64 - 1)], np.uint64))
        else:
            found += _packed_varints(np.frombuffer(part, np.uint8))
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


def truths(parts: Iterable[int | memoryview]) -> NDArray[np.bool_]:
    """Varints as truth values."""
    return varints(parts).astype(np.bool_)


def texts(message: memoryview, number: int) -> Texts:
    """Strings or bytes of a repeated field, one by one."""
    return Texts(
        lambda place, _: _occurrences(message, number, place),
        Packed(message, f"field {number}", lambda place: _field_before(message, number, place)),
    )


def _occurrences(message: memoryview, number: int, place: int) -> Iterator[memoryview]:
    for found, _, value in fields(message, place):
        if found == number and isinstance(value, memoryview):
            yield value


def _field_before(message: memoryview, number: int, place: int) -> tuple[int, int]:
    """The last field of that number that begins before a place, and how many of them stand before it."""
    tag = number << 3 | 2  # one byte, as the length of a short text is
    position = begins = before = count = 0
    while position < place:
        at = position
        if at + 1 < place and message[at] == tag and message[at + 1] < 0x80:
            position += 2 + message[at + 1]
        else:
            found, position = _field_at(message, at)
            if found != number:
                continue
        begins, before, count = at, count, count + 1
    return begins, before


def _field_at(message: memoryview, position: int) -> tuple[int, int]:
    """The number of the field that begins there (0 where it is a varint), and where it ends."""
    tag, position = _varint(message, position)
    if tag & 7 == 0:
        return 0, _varint(message, position)[1]
    length, position = _length(message, tag & 7, position)
    return tag >> 3, position + length


def _length(message: memoryview, wire: int, position: int) -> tuple[int, int]:
    """How long the content is of a field whose tag ends there, and where it begins."""
    if wire == 2:
        return _varint(message, position)
    if wire in (1, 5):
        return (8 if wire == 1 else 4), position
    raise Undecodable(f"wire type {wire}")


def lengths_and_texts(raw: memoryview) -> Texts:
    """Texts, each behind its length in 4 bytes."""
    return Texts(lambda place, _: _behind_lengths(raw, place), Packed(raw, "lengths"))


def _behind_lengths(raw: memoryview, position: int) -> Iterator[memoryview]:
    while position < len(raw):
        if position + 4 > len(raw):
            raise Undecodable("BYTES contents cut short")
        (length,) = struct.unpack_from("<I", raw, position)
        position += 4
        if position + length > len(raw):
            raise Undecodable("BYTES contents cut short")
        yield raw[position : position + length]
        position += length


def text(value: memoryview) -> str:
    """A string field."""
    return bytes(value).decode("utf-8", "replace")


def _packed_varints(data: NDArray[np.uint8]) -> Iterator[NDArray[np.uint64]]:
    start = 0
    while start < data.size:
        block = data[start : start + BLOCK]
        ends = np.flatnonzero(block < 0x80)
        if not ends.size:
            raise Undecodable("cut short")
        firsts = np.concatenate((np.zeros(1, ends.dtype), ends[:-1] + 1))
        lengths = ends - firsts + 1
        longest = int(lengths.max())
        if longest > 10:
            raise Undecodable("a varint of more than 10 bytes")
        values = np.zeros(ends.size, np.uint64)
        for index in range(longest):
            there = lengths > index
            bits = (block[firsts[there] + index] & 0x7F).astype(np.uint64)
            values[there] |= bits << np.uint64(7 * index)
        yield values
        start += int(ends[-1]) + 1


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise Undecodable("cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise Undecodable("a varint without an end")
