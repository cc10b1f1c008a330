"""Header fields as they pass through: runs that repeat, literals that do not, and whole blocks of both.

Names and values are text of one byte a character (latin-1): what came in goes out. A field is kept with an
encoding that means the same on every connection wherever it has one, so that forwarding it is copying it.

Source: RFC 7541, appendix A, for the static table.
"""

from typing import Any, NamedTuple

Field = tuple[str, str]

ENTRY_OVERHEAD = 32
"""Bytes that an entry of a table counts more than its name and its value."""

STATIC: tuple[Field, ...] = (
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
    ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""),
    ("content-length", ""), ("content-location", ""), ("content-range", ""), ("content-type", ""),
    ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
)  # fmt: skip
"""Entry 1 is the first."""


class Run:
    """Fields that were sent, and will be again, as references to tables; compared by identity.

    A decoder gives the same run for the same references, so an encoder can remember what became of it; and
    so can whoever reads it, in `asked` as part of a request, in `answered` as part of an answer.
    """

    __slots__ = ("answered", "asked", "fields", "size")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields
        self.asked: Any = None
        self.answered: Any = None
        self.size = sum(len(name) + len(value) + ENTRY_OVERHEAD for name, value in fields)

    def __repr__(self) -> str:
        return f"<Run {[name for name, _ in self.fields]}>"


class Literal(NamedTuple):
    """A field that was spelled out; `raw` is an encoding of it that no table is needed for."""

    name: str
    value: str
    raw: bytes


Part = Run | Literal


class Block:
    """A header block, decoded; `fault` says why it must not be forwarded, and is nearly always empty."""

    __slots__ = ("fault", "note", "parts")

    def __init__(self, parts: list[Part], fault: str = "") -> None:
        self.parts = parts
        self.fault = fault
        self.note: Any = None  # as of a run

    def __repr__(self) -> str:
        return f"<Block {self.parts}{' ' if self.fault else ''}{self.fault}>"

    def fields(self) -> list[Field]:
        """Every field, in order."""
        found: list[Field] = []
        for part in self.parts:
            if part.__class__ is Run:
                found += part.fields
            else:
                found.append(part[:2])  # type: ignore[index]  # a Literal: `isinstance` costs more
        return found


def integer(block: bytes, position: int, value: int) -> tuple[int, int]:
    """The rest of an integer whose first byte was full (`value`), and the position after it; -1: none."""
    end = len(block)
    for shift in (0, 7, 14, 21):
        if position >= end:
            break
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    return 0, -1


def spelled(value: int, bits: int, flags: int) -> bytes:
    """An integer with a prefix of `bits` in a byte that begins with `flags`."""
    full = (1 << bits) - 1
    if value < full:
        return bytes((flags | value,))
    out = bytearray((flags | full,))
    value -= full
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_LENGTHS = tuple(bytes((length,)) for length in range(0x7F))


def text(value: str) -> bytes:
    """A string as it stands, with its length."""
    encoded = value.encode("latin-1")
    length = len(encoded)
    return (_LENGTHS[length] if length < 0x7F else spelled(length, 7, 0)) + encoded
