"""Frames: cutting a read into them, and building them.

    +-----------------------------------------------+
    | length (24) | type (8) | flags (8) | id (31)  |   9 bytes, then `length` bytes of payload
    +-----------------------------------------------+

Source: RFC 9113, sections 4 and 6.
"""

import struct

from proxy.http2.errors import FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA = 0x0
HEADERS = 0x1
PRIORITY = 0x2
RST_STREAM = 0x3
SETTINGS = 0x4
PUSH_PROMISE = 0x5
PING = 0x6
GOAWAY = 0x7
WINDOW_UPDATE = 0x8
CONTINUATION = 0x9

END_STREAM = 0x1
ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

HEAD_SIZE = 9
MAX_FRAME = 16_384
"""The largest payload that every peer must take."""

LARGEST = 65_536
"""The largest that we take, by our SETTINGS. What a large message costs goes by its frames."""

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream id, payload."""

_HEAD = struct.Struct(">IBI")  # the length and the type share the first four bytes
read_head = _HEAD.unpack_from
"""Of data, at a position: `length << 8 | type`, flags, and the stream id with its reserved bit."""

_write_head = _HEAD.pack
_pair = struct.Struct(">II").pack


def head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """The head of a frame."""
    return _write_head(length << 8 | kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return _write_head(len(payload) << 8 | kind, flags, stream) + payload


def headers(stream: int, block: bytes, *, end: bool, largest: int = MAX_FRAME) -> bytes:
    """A header block as HEADERS and as many CONTINUATION as it takes."""
    flags = END_STREAM if end else 0
    if len(block) <= largest:
        return _write_head(len(block) << 8 | HEADERS, flags | END_HEADERS, stream) + block
    out = [frame(HEADERS, flags, stream, block[:largest])]
    for at in range(largest, len(block), largest):
        is_last = at + largest >= len(block)
        out.append(frame(CONTINUATION, END_HEADERS if is_last else 0, stream, block[at : at + largest]))
    return b"".join(out)


def reset(stream: int, code: int) -> bytes:
    """RST_STREAM."""
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def go_away(last: int, code: int, reason: str = "") -> bytes:
    """GOAWAY; `last` is the highest stream that is or may be worked on."""
    return frame(GOAWAY, 0, 0, _pair(last, code) + reason.encode())


def window_update(stream: int, increment: int) -> bytes:
    """WINDOW_UPDATE; of the connection where `stream` is 0."""
    return _write_head(4 << 8 | WINDOW_UPDATE, 0, stream) + increment.to_bytes(4, "big")


def unpadded(payload: bytes, flags: int) -> bytes:
    """The payload of DATA or HEADERS without its padding."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]


def block_of(payload: bytes, flags: int, stream: int) -> bytes:
    """The header block in a HEADERS frame, without padding and priority."""
    block = unpadded(payload, flags)
    if not flags & HAS_PRIORITY:
        return block
    if len(block) < 5:
        raise ConnectionFault(FRAME_SIZE_ERROR, "HEADERS too short for their priority")
    if int.from_bytes(block[:4], "big") & 0x7FFFFFFF == stream:
        raise ConnectionFault(PROTOCOL_ERROR, "a stream that depends on itself")
    return block[5:]


def number_in(payload: bytes, name: str) -> int:
    """The 32 bits that make up all of an RST_STREAM or WINDOW_UPDATE."""
    if len(payload) != 4:
        raise ConnectionFault(FRAME_SIZE_ERROR, f"{name} of {len(payload)} bytes")
    return int.from_bytes(payload, "big")
