"""HPACK's Huffman code, a byte at a time both ways.

The code is canonical: from the lengths of its codes alone follow the codes, shorter ones first and those of
one length in the order of their symbols. Decoding walks a machine whose states are the inner nodes of the
code's tree; a state's row says for each possible next byte which symbols it completes and where the walk
then is.

Source: RFC 7541, section 5.2 and appendix B.
"""

_LENGTHS = (
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b'!"()?'),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
    (20, b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2"),
    (21, b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6"),
    (22, (b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4"
          b"\xe8\xe9")),
    (23, (b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7"
          b"\xbc\xbf\xc5\xe7\xef")),
    (24, b"\x09\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed"),
    (25, b"\xc7\xcf\xea\xeb"),
    (26, b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff"),
    (27, b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe"),
    (28, (b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d"
          b"\x1e\x1f\x7f\xdc\xf9")),
    (30, b"\n\r\x16"),
)  # fmt: skip
"""Symbols by the bits of their codes. The symbol that ends a string, of 30 bits, is never sent whole."""

_MAX_PADDING = 7

_Row = list[tuple["_Row", bytes]]
"""By next byte: the row of the state after it, and the symbols it completed. Empty until it is needed."""


class Malformed(ValueError):
    """Not a string of this code."""


def _codes() -> dict[int, tuple[int, int]]:
    """Symbol -> (code, bits)."""
    found: dict[int, tuple[int, int]] = {}
    code, before = 0, 0
    for bits, symbols in _LENGTHS:
        code <<= bits - before
        for symbol in symbols:
            found[symbol] = (code, bits)
            code += 1
        before = bits
    return found


CODES = _codes()


class _Tree:
    """The code's inner nodes: each a pair of what its 0 and its 1 lead to."""

    def __init__(self) -> None:
        self.children: list[list[int]] = [[0, 0]]  # a node's number, or -1 - symbol; 0: the end of a string
        self.ends_well = {0}  # nodes where the walk may stop: those reached by at most seven ones
        for symbol, (code, bits) in CODES.items():
            node = 0
            for bit in range(bits - 1, 0, -1):
                node = self._below(node, code >> bit & 1)
            self.children[node][code & 1] = -1 - symbol
        node = 0
        for _ in range(_MAX_PADDING):
            node = self.children[node][1]
            self.ends_well.add(node)
        self.rows: list[_Row] = [[] for _ in self.children]
        self.dead: _Row = []  # after what is not of this code
        self.dead += [(self.dead, b"")] * 256

    def _below(self, node: int, bit: int) -> int:
        if not self.children[node][bit]:
            self.children[node][bit] = len(self.children)
            self.children.append([0, 0])
        return self.children[node][bit]

    def fill(self, row: _Row) -> None:
        (node,) = (node for node, known in enumerate(self.rows) if known is row)
        row += [self._step(node, byte) for byte in range(256)]

    def _step(self, node: int, byte: int) -> tuple[_Row, bytes]:
        symbols = bytearray()
        for bit in range(7, -1, -1):
            node = self.children[node][byte >> bit & 1]
            if node == 0:
                return self.dead, b""
            if node < 0:
                symbols.append(-1 - node)
                node = 0
        return self.rows[node], bytes(symbols)


_TREE = _Tree()
_START = _TREE.rows[0]
_ENDS_WELL = {id(_TREE.rows[node]) for node in _TREE.ends_well}


def decode(text: bytes) -> bytes:
    """The string that `text` stands for. Raises Malformed."""
    row = _START
    out = []
    for byte in text:
        if not row:
            _TREE.fill(row)
        row, symbols = row[byte]
        out.append(symbols)
    if id(row) not in _ENDS_WELL:
        raise Malformed("not of this code, or padding that is not up to seven ones")
    return b"".join(out)


def encode(text: bytes) -> bytes:
    """A string in this code, padded with ones."""
    value, total = 0, 0
    for symbol in text:
        code, bits = CODES[symbol]
        value = value << bits | code
        total += bits
    padding = -total % 8
    return (value << padding | (1 << padding) - 1).to_bytes((total + padding) // 8, "big")
