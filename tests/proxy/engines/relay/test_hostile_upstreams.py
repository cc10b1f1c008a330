"""Model servers that break the rules of HTTP/2: their own calls end, and nobody else's."""

import asyncio
import logging
import struct
from dataclasses import dataclass

import pytest

from proxy.http2 import errors, frames
from proxy.http2.encoder import literal
from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.hostile_servers import MESSAGE, OK, TRAILERS, Says, good, hostile_server
from tests.support.models import model
from tests.support.sidecars import route, service, sidecar

METHOD = "/any.Service/Method"
TO_THE_BAD = [("x-to", "bad")]
GOOD = 20
MANY = 4000
ANSWERED = "OK"
LEFT = "UNAVAILABLE"


@dataclass(frozen=True)
class Hostility:
    """What the server says to a call; `code` is what its caller gets, `away` what the server is told."""

    name: str
    says: Says
    code: str = LEFT
    away: int | None = None
    hangs_up: bool = False

    def __str__(self) -> str:
        return self.name


def flood(one: bytes) -> Says:
    return lambda number: one * MANY + good(number)


def settings(key: int, value: int) -> bytes:
    return frames.frame(frames.SETTINGS, 0, 0, struct.pack(">HI", key, value))


HEADER_TABLE_SIZE, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME = 1, 3, 4, 5
CALM = errors.ENHANCE_YOUR_CALM
EARLY = b"\0\x07:status\x03103"

HOSTILITIES = [
    # floods
    Hostility("interim answers", lambda n: frames.headers(n, EARLY, end=False) * MANY + good(n), away=CALM),
    Hostility("PING", flood(frames.frame(frames.PING, 0, 0, bytes(8))), away=CALM),
    Hostility("acknowledged PING", flood(frames.frame(frames.PING, 1, 0, bytes(8))), away=CALM),
    Hostility("SETTINGS", flood(frames.frame(frames.SETTINGS, 0, 0)), away=CALM),
    Hostility("acknowledged SETTINGS", flood(frames.frame(frames.SETTINGS, 1, 0)), away=CALM),
    Hostility("WINDOW_UPDATE", flood(frames.window_update(0, 1)), away=CALM),
    Hostility("PRIORITY", flood(frames.frame(frames.PRIORITY, 0, 1, bytes(5))), away=CALM),
    Hostility("frames of no known type", flood(frames.frame(0x55, 0, 0, bytes(9))), away=CALM),
    Hostility("GOAWAY", flood(frames.go_away(2**31 - 1, errors.NO_ERROR)), away=CALM),
    Hostility(
        "empty DATA",
        lambda n: frames.headers(n, OK, end=False) + frames.frame(frames.DATA, 0, n) * MANY,
        away=CALM,
    ),
    Hostility(
        "CONTINUATION",
        lambda n: frames.frame(frames.HEADERS, 0, n, OK) + frames.frame(frames.CONTINUATION, 0, n) * MANY,
        away=CALM,
    ),
    # windows
    Hostility("a window beyond its end", lambda _: frames.window_update(0, 2**31 - 1), away=3),
    Hostility("a stream's window beyond its end", lambda n: frames.window_update(n, 2**31 - 1)),
    Hostility("a window opened by nothing", lambda _: frames.window_update(0, 0), away=1),
    # streams
    Hostility("DATA of an idle stream", lambda n: frames.frame(frames.DATA, 0, n + 2, b"x"), away=1),
    Hostility("HEADERS of an idle stream", lambda n: frames.headers(n + 2, OK, end=True), away=1),
    Hostility("a stream of its own", lambda _: frames.headers(2, OK, end=True), away=1),
    Hostility("PUSH_PROMISE", lambda n: frames.frame(frames.PUSH_PROMISE, 4, n, bytes(4)), away=1),
    Hostility("the reset of an idle stream", lambda n: frames.reset(n + 2, errors.CANCEL), away=1),
    Hostility("DATA before the answer", lambda n: frames.frame(frames.DATA, 0, n, MESSAGE)),
    Hostility("more after the end", lambda n: good(n) + frames.frame(frames.DATA, 0, n, b"x"), ANSWERED),
    # header blocks
    Hostility("a reference to nothing", lambda n: frames.headers(n, b"\xfe", end=True), away=9),
    Hostility("fields of no name", lambda n: frames.headers(n, b"\0\0\0" * 3000, end=True), away=9),
    Hostility(
        "HPACK bomb",
        lambda n: frames.headers(n, OK + b"\x40\x01a\x7f\x81\x1e" + b"x" * 4000 + b"\xbe" * 9000, end=True),
    ),
    Hostility("fields without number", lambda n: frames.headers(n, OK + b"\0\1a\0" * 3000, end=True)),
    Hostility("a line break in a field", lambda n: frames.headers(n, OK + b"\0\1a\3b\r\n", end=True)),
    Hostility("headers broken off", lambda n: frames.frame(frames.HEADERS, 0, n, OK) + good(n), away=1),
    Hostility("no status", lambda n: frames.headers(n, OK, end=True), "UNKNOWN"),
    Hostility("no gRPC", lambda n: frames.headers(n, literal(":status", "503"), end=True), LEFT),
    # frames
    Hostility("a frame too large", lambda n: frames.head(frames.LARGEST + 1, frames.DATA, 0, n), away=6),
    Hostility("PING of seven bytes", lambda _: frames.frame(frames.PING, 0, 0, bytes(7)), away=6),
    Hostility("padding longer than its frame", lambda n: frames.frame(frames.DATA, 8, n, b"\xff"), away=1),
    Hostility("another protocol", lambda _: b"HTTP/1.1 400 Bad Request\r\nserver: none\r\n\r\n", away=6),
    Hostility("the end in the midst of a frame", lambda n: good(n)[:-3], hangs_up=True),
    Hostility("the end", lambda _: b"", hangs_up=True),
    # settings in mid flight
    Hostility("a window of 2^31", lambda _: settings(INITIAL_WINDOW, 2**31), away=3),
    Hostility("frames of no size", lambda _: settings(MAX_FRAME, 0), away=1),
    Hostility("a table of 4 GiB", lambda n: settings(HEADER_TABLE_SIZE, 2**32 - 1) + good(n), ANSWERED),
    Hostility(
        "no streams, and again some",
        lambda n: settings(MAX_STREAMS, 0) + good(n) + settings(MAX_STREAMS, 100),
        ANSWERED,
    ),
    Hostility(
        "windows that close and open",
        lambda n: settings(INITIAL_WINDOW, 0) + settings(INITIAL_WINDOW, 2**31 - 1) + good(n),
        ANSWERED,
    ),
    Hostility("one answer over another", lambda n: frames.headers(n, OK, end=False) * 3 + good(n), ANSWERED),
    Hostility("trailers alone", lambda n: frames.headers(n, OK + TRAILERS, end=True), ANSWERED),
]


@pytest.mark.parametrize("hostility", HOSTILITIES, ids=str)
async def test_costs_nobody_else_a_call(hostility: Hostility, caplog: pytest.LogCaptureFixture) -> None:
    # given two variants, one of which is served by what breaks the rules
    async with hostile_server() as bad, model() as server:
        to_bad = route("bad", weights={"v1": 1}, match={"headers": [{"name": "x-to", "exact": "bad"}]})
        what = service({"v1": bad.address, "v2": server.address}, to_bad, route("good", weights={"v2": 1}))
        async with sidecar("relay", what) as one, caller(one.address) as call:
            bad.says, bad.hangs_up = hostility.says, hostility.hangs_up
            # when both are called
            calls = [call.unary(METHOD, b"x", TO_THE_BAD), *(call.unary(METHOD, b"x") for _ in range(GOOD))]
            reply, *others = await asyncio.gather(*calls)
            # then the caller of the one is told, and those of the other are answered
            assert reply.code.name == hostility.code
            assert [other.details for other in others if not other.ok] == []
            assert bad.streams() <= 2  # once more at most, where it cannot have been taken up
            if hostility.away is not None:
                await eventually(lambda: bad.ended)
                # of a flood that was not read to its end, TCP's reset may overtake the GOAWAY
                assert hostility.away in (bad.away() or [errors.ENHANCE_YOUR_CALM])
            # and it is called again as soon as it keeps to them
            bad.says, bad.hangs_up = good, False
            async with asyncio.timeout(30):
                while not (await call.unary(METHOD, b"x", TO_THE_BAD)).ok:
                    pass
            await one.until_idle()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
