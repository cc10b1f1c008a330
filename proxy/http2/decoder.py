"""HPACK, decoding: by tables, and each stretch of a block only once as long as it means the same.

Clients repeat most of a block as one-byte references to the tables. Such a stretch becomes a `Run`,
remembered by the entries that it refers to; a whole block that consists of nothing else, or is short (as
trailers are), by its bytes until the table changes. What differs from call to call comes as literals, and is
decoded where it stands.

Limits: a block of more fields or more bytes (decoded, as the table counts them) than allowed is still read
to its end, since the table must follow, but for nothing else, and then carries a fault.

Source: RFC 7541; RFC 9113, sections 4.3 and 8.2, for what a field may not hold.
"""

import re

from proxy.http2.errors import COMPRESSION_ERROR, ConnectionFault
from proxy.http2.fields import ENTRY_OVERHEAD, STATIC, Block, Literal, Part, Run, integer, spelled, text
from proxy.http2.huffman import Malformed, decode
from proxy.http2.stretches import Stretches

MAX_FIELDS = 100
MAX_SIZE = 64 * 1024
TABLE_SIZE = 4096

_KNOWN_BLOCKS = 64
_KNOWN_NAMES = 256
_SHORT_BLOCK = 64
_LONGEST_NAME = 64
"""How much is remembered of what a peer sends: bounded, and forgotten whole where it is full."""

_STATIC = tuple(Run((field,)) for field in STATIC)
_STATIC_SIZE = len(_STATIC)
_STATIC_NAMED = tuple(spelled(index + 1, 4, 0) for index in range(_STATIC_SIZE))
_NEVER_NAMED = tuple(spelled(index + 1, 4, 0x10) for index in range(_STATIC_SIZE))

_references = re.compile(rb"[\x81-\xfe]*").match
_bad_name = re.compile("[^!#$%&'*+\\-.^_`|~0-9a-z]").search
_bad_value = re.compile("[\0\r\n]").search


class Decoder:
    """One connection's decoding: its table, and what is remembered of the blocks that came."""

    __slots__ = (
        "_blocks",
        "_fault",
        "_inserted",
        "_names",
        "_resized",
        "_size",
        "_stretches",
        "_table",
        "_table_size",
        "limit",
    )

    def __init__(self, table_size: int = TABLE_SIZE) -> None:
        self.limit = table_size  # what our SETTINGS allow
        self._table_size = table_size
        self._table: list[Run] = []  # the oldest first; a deque of none takes 700 bytes
        self._size = 0
        self._blocks: dict[bytes, Block] = {}
        self._inserted = 0  # entries that ever came
        self._stretches = Stretches()
        self._names: dict[bytes, str] = {}
        self._fault = ""
        self._resized = 0

    def __repr__(self) -> str:
        return f"<Decoder {len(self._table)} entries, {self._size}/{self._table_size} bytes>"

    def decode(self, block: bytes) -> Block:
        """The fields of a block; raises ConnectionFault where the table cannot follow it."""
        known = self._blocks.get(block)
        if known is not None:
            return known
        try:
            return self._decode(block)
        except (IndexError, Malformed):
            raise ConnectionFault(COMPRESSION_ERROR, "a header block that is cut short or wrong") from None

    def _decode(self, block: bytes) -> Block:  # noqa: C901, PLR0912, PLR0915  # one loop: a call per field costs
        parts: list[Part] = []
        size = count = position = 0
        end = len(block)
        is_lasting = True
        self._fault = ""
        while position < end:
            first = block[position]
            if 0x80 < first < 0xFF:
                stop = _references(block, position).end()  # type: ignore[union-attr]  # at least one
                if stop - position > MAX_FIELDS:
                    self._at(max(block[position:stop]) & 0x7F)
                    count += stop - position
                    position = stop
                    continue
                references = block[position:stop]
                places = references.translate(self._stretches.to_places)
                known = self._stretches.known.get(places)
                if known is None or known.oldest < self._inserted - len(self._table):
                    entries = [self._at(byte & 0x7F) for byte in references]
                    known = self._stretches.learn(references, places, entries)
                position = stop
                parts += known.runs
                size += known.size
                count += known.fields
            elif first >= 0x80:
                index, position = _index(block, position, 7)
                run = self._at(index)
                parts.append(run)
                size += run.size
                count += 1
            elif 0x20 <= first < 0x40:
                if count:
                    raise ConnectionFault(COMPRESSION_ERROR, "a table size within a block")
                position = self._resize(block, position)
                is_lasting = False
            else:
                if first >= 0x40 or end > _SHORT_BLOCK:
                    is_lasting = False
                if first < 0x20 and (count > MAX_FIELDS or size > MAX_SIZE):
                    position = self._beyond(block, position)
                    continue
                literal, position = self._literal(block, position, first)
                size += len(literal[0]) + len(literal[1]) + ENTRY_OVERHEAD
                count += 1
                if count <= MAX_FIELDS:
                    parts.append(literal)
        self._resized = 0
        fault = self._fault
        if count > MAX_FIELDS or size > MAX_SIZE:
            return Block([], "too many header fields")
        made = Block(parts, fault)
        if is_lasting:
            if len(self._blocks) >= _KNOWN_BLOCKS:
                self._blocks.clear()
            self._blocks[block] = made
        return made

    def _literal(self, block: bytes, position: int, first: int) -> tuple[Literal, int]:
        start = position
        is_indexed = first >= 0x40
        index = first & (0x3F if is_indexed else 0x0F)
        if index == (0x3F if is_indexed else 0x0F):
            index, position = _index(block, position, 6 if is_indexed else 4)
        else:
            position += 1
        flags = b"\x10" if 0x10 <= first < 0x20 else b"\0"
        if index == 0:
            name_start = position
            length, position, is_coded = _length(block, position)
            position += length
            name = self._name(block, name_start, position, length, is_coded=is_coded)
        else:
            name = self._at(index).fields[0][0]
        value_start = position
        length = block[position]
        if length < 0x7F:  # short, and not in Huffman's code
            position += 1
            is_coded = False
        else:
            length, position, is_coded = _length(block, position)
        coded = block[position : position + length]
        position += length
        if len(coded) < length:
            raise Malformed("cut short")
        value = (decode(coded) if is_coded else coded).decode("latin-1")
        if not (value.isascii() and value.isprintable()) and _bad_value(value):
            self._fault = "a header value with a line's end in it"
        if index == 0:
            raw = flags + block[start + 1 : position] if is_indexed else block[start:position]
        elif index <= _STATIC_SIZE:
            named = _NEVER_NAMED if flags == b"\x10" else _STATIC_NAMED
            raw = named[index - 1] + block[value_start:position]
        else:
            raw = flags + text(name) + block[value_start:position]
        if is_indexed:
            self._add(name, value)
        return Literal(name, value, raw), position

    def _beyond(self, block: bytes, position: int) -> int:
        """The end of a literal that nobody will see, and that the table does not take."""
        index, position = _index(block, position, 4)
        if index:
            self._at(index)
        else:
            length, position, _ = _length(block, position)
            if not length:
                raise Malformed("a name of no length")
            position += length
        length, position, _ = _length(block, position)
        position += length
        if position > len(block):
            raise Malformed("cut short")
        return position

    def _name(self, block: bytes, start: int, end: int, length: int, *, is_coded: bool) -> str:
        spelling = block[start:end]
        known = self._names.get(spelling)
        if known is not None:
            return known
        coded = block[end - length : end]
        if len(coded) < length or not length:
            raise Malformed("cut short")
        name = (decode(coded) if is_coded else coded).decode("latin-1")
        if _bad_name(name[1:] if name[0] == ":" else name) or name == ":":
            self._fault = "a header name that is none"
            return name
        if len(spelling) <= _LONGEST_NAME:
            if len(self._names) >= _KNOWN_NAMES:
                self._names.clear()
            self._names[spelling] = name
        return name

    def _at(self, index: int) -> Run:
        if 0 < index <= _STATIC_SIZE:
            return _STATIC[index - 1]
        if not _STATIC_SIZE < index <= _STATIC_SIZE + len(self._table):
            raise ConnectionFault(COMPRESSION_ERROR, f"no entry {index} in the table")
        return self._table[_STATIC_SIZE - index]

    def _add(self, name: str, value: str) -> None:
        if self._blocks:
            self._blocks.clear()
        self._inserted += 1
        self._stretches.moved(self._inserted)
        entry = Run(((name, value),))
        self._table.append(entry)
        self._size += entry.size
        self._evict()

    def _resize(self, block: bytes, position: int) -> int:
        size, position = _index(block, position, 5)
        self._resized += 1
        if size > self.limit or self._resized > 2:
            raise ConnectionFault(
                COMPRESSION_ERROR, f"a table of {size} bytes, where {self.limit} are allowed"
            )
        self._blocks.clear()
        self._table_size = size
        self._evict()
        return position

    def _evict(self) -> None:
        while self._size > self._table_size:
            self._size -= self._table.pop(0).size


def _index(block: bytes, position: int, bits: int) -> tuple[int, int]:
    full = (1 << bits) - 1
    value = block[position] & full
    if value < full:
        return value, position + 1
    value, position = integer(block, position + 1, value)
    if position < 0:
        raise Malformed("an integer without an end")
    return value, position


def _length(block: bytes, position: int) -> tuple[int, int, bool]:
    """A string's length, where its bytes begin, and whether they are Huffman's."""
    first = block[position]
    length = first & 0x7F
    if length < 0x7F:
        return length, position + 1, first >= 0x80
    length, position = integer(block, position + 1, length)
    if position < 0:
        raise Malformed("an integer without an end")
    return length, position, first >= 0x80
