"""Attacks on a server of HTTP/2: the bytes that a caller writes after its preface, and what answers them."""

from dataclasses import dataclass

from proxy.http2 import errors, frames
from proxy.http2.encoder import literal
from tests.support.attackers import BLOCK, MESSAGE

FRAMES = 4000
"""Of one kind, where it is their number that is the attack."""

_IDS = range(1, 2 * FRAMES, 2)
_CALL = frames.headers(1, BLOCK, end=False) + frames.frame(frames.DATA, 0, 1, MESSAGE)
_ENDED = frames.headers(1, BLOCK, end=True)
_PRIORITY = frames.frame(frames.PRIORITY, 0, 1, bytes(4) + b"\x10")


@dataclass(frozen=True)
class Attack:
    """`code` is that of the GOAWAY; None where only streams are refused and the connection goes on."""

    name: str
    sent: bytes
    code: int | None
    resets: int | None = None

    def __str__(self) -> str:
        return self.name


def _each(*parts: bytes) -> bytes:
    return b"".join(parts)


ATTACKS = (
    Attack(
        "rapid reset",
        _each(*(frames.headers(n, BLOCK, end=True) + frames.reset(n, errors.CANCEL) for n in _IDS)),
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "MadeYouReset by windows of 0",
        _each(*(frames.headers(n, BLOCK, end=True) + frames.window_update(n, 0) for n in _IDS)),
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "MadeYouReset by windows too large",
        _each(*(frames.headers(n, BLOCK, end=True) + frames.window_update(n, 2**31 - 1) for n in _IDS)),
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "MadeYouReset by DATA after the end",
        _each(*(frames.headers(n, BLOCK, end=True) + frames.frame(frames.DATA, 0, n, b"x") for n in _IDS)),
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "requests that are none",
        _each(*(frames.headers(n, b"\x82", end=True) for n in _IDS)),
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "CONTINUATION without an end",
        frames.frame(frames.HEADERS, 0, 1, BLOCK)
        + frames.frame(frames.CONTINUATION, 0, 1, literal("x", "y" * 1000)) * 100,
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "empty CONTINUATION",
        frames.frame(frames.HEADERS, 0, 1, BLOCK) + frames.frame(frames.CONTINUATION, 0, 1) * FRAMES,
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack("empty DATA", _CALL + frames.frame(frames.DATA, 0, 1) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack(
        "padding alone",
        _CALL + frames.frame(frames.DATA, frames.PADDED, 1, b"\xff" + bytes(255)) * FRAMES,
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack("SETTINGS", frames.frame(frames.SETTINGS, 0, 0) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("PING", frames.frame(frames.PING, 0, 0, bytes(8)) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("PRIORITY of an idle stream", _PRIORITY * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("PRIORITY of an open stream", _CALL + _PRIORITY * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("WINDOW_UPDATE", frames.window_update(0, 1) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("WINDOW_UPDATE of one", _CALL + frames.window_update(1, 1) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("frames of no known type", frames.frame(0x55, 0, 0, bytes(64)) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack("GOAWAY over and over", frames.go_away(0, errors.NO_ERROR) * FRAMES, errors.ENHANCE_YOUR_CALM),
    Attack(
        "HPACK bomb",  # one entry of the table, and references to it: 60 times what was sent
        frames.headers(1, BLOCK + b"\x40\x01a" + b"\x7f\x81\x1e" + b"x" * 4000 + b"\xbe" * 12000, end=True),
        None,
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "fields without number",
        frames.headers(1, BLOCK + b"\0\1a\0" * 3000, end=True),
        None,
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack(
        "fields of no length",
        frames.headers(1, BLOCK + b"\0\0\0" * 3000, end=True),
        errors.COMPRESSION_ERROR,
    ),
    Attack(
        "a header list too large",
        frames.headers(1, BLOCK + literal("x", "a" * 90_000), end=True),
        None,
        errors.ENHANCE_YOUR_CALM,
    ),
    Attack("a reference to nothing", frames.headers(1, b"\xfe", end=True), errors.COMPRESSION_ERROR),
    Attack("stream ids that go back", _each(*(frames.headers(n, BLOCK, end=True) for n in (5, 3))), None),
    Attack("a stream id of the server's", frames.headers(2, BLOCK, end=True), errors.PROTOCOL_ERROR),
    Attack("DATA of an idle stream", frames.frame(frames.DATA, 0, 7, b"x"), errors.PROTOCOL_ERROR),
    Attack(
        "more than its window",
        _CALL + frames.frame(frames.DATA, 0, 1, bytes(16384)) * 1000,
        errors.FLOW_CONTROL_ERROR,
    ),
    Attack("HEADERS after the end", _ENDED + frames.headers(1, BLOCK, end=True), None, errors.STREAM_CLOSED),
    Attack("a frame too large", frames.head(frames.LARGEST + 1, frames.DATA, 0, 1), errors.FRAME_SIZE_ERROR),
    Attack("PUSH_PROMISE", frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), errors.PROTOCOL_ERROR),
)
