"""Inflating compressed messages: the beginning, for the key or the model name in it, or all, in pieces.

gRPC's message encodings: `gzip` (RFC 1952) and `deflate` (the zlib format, RFC 1950). What cannot be
inflated has no key and is not compared; it is forwarded as it is.
"""

import zlib
from collections.abc import Iterator

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_SLACK = 1024

PIECE = 256 * 1024
"""Bytes that come out at once."""

_INPUT = 64 * 1024


class NotInflatable(Exception):
    """A message that is not what its encoding says, or of an encoding that is not known."""


def inflate(encoding: str, message: bytes, limit: int) -> bytes | None:
    """The first `limit` bytes of the message; None where the encoding is not known or not kept to.

    Neither more than `limit` bytes come out nor much more go in, whatever the message says. Ask for one byte
    more than is searched, and a key that may lie beyond shows as it does in a plain message.
    """
    if encoding in ("", "identity"):
        return message[:limit]
    window = _WINDOW.get(encoding)
    if window is None or limit <= 0:
        return None
    # Data that does not compress grows by 5 bytes in every 64 KiB; empty blocks could go on for ever.
    most = limit + limit // 1000 + _SLACK
    try:
        return zlib.decompressobj(window).decompress(memoryview(message)[:most], limit)
    except zlib.error:
        return None


def pieces(encoding: str, message: bytes | memoryview) -> Iterator[bytes]:
    """All of a message, none of its pieces empty or larger than PIECE; whoever has no room stops asking."""
    window = _WINDOW.get(encoding)
    if window is None:
        raise NotInflatable(f"encoding {encoding!r}")
    view, inflating = memoryview(message), zlib.decompressobj(window)
    try:
        for start in range(0, len(view), _INPUT):
            rest: bytes | memoryview = view[start : start + _INPUT]
            while rest and not inflating.eof:
                piece = inflating.decompress(rest, PIECE)
                rest = inflating.unconsumed_tail
                if piece:
                    yield piece
        while not inflating.eof and (piece := inflating.decompress(b"", PIECE)):
            yield piece
    except zlib.error as error:
        raise NotInflatable(str(error)) from error
    if not inflating.eof:
        raise NotInflatable("cut short")
