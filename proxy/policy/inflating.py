"""Inflating the beginning of a compressed message, for the key or the model name in it; never all of it.

gRPC's message encodings: `gzip` (RFC 1952) and `deflate` (the zlib format, RFC 1950). What cannot be
inflated has no key; it is forwarded as it is.
"""

import zlib

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_SLACK = 1024


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
