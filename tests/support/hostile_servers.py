"""A model server of raw bytes: it answers properly, or by whatever it is told to say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from proxy.http2 import frames
from proxy.http2.encoder import literal
from tests.support.raw_frames import split

OK = b"\x88" + literal("content-type", "application/grpc")
TRAILERS = literal("grpc-status", "0")
MESSAGE = b"\0\0\0\0\1x"

Says = Callable[[int], bytes]
"""What is written when a stream's HEADERS have come."""


def good(number: int) -> bytes:
    """An answer as it should be."""
    parts = (
        frames.headers(number, OK, end=False),
        frames.frame(frames.DATA, 0, number, MESSAGE),
        frames.headers(number, TRAILERS, end=True),
    )
    return b"".join(parts)


@dataclass
class HostileServer:
    """`says` may change at any time; `came` is every frame that came, of every connection."""

    says: Says = good
    hangs_up: bool = False  # when it has said so
    address: str = ""
    came: list[frames.Frame] = field(default_factory=list)
    ended: int = 0
    """Connections that are over."""

    def streams(self) -> int:
        """Streams that were opened here."""
        return sum(kind == frames.HEADERS for kind, *_ in self.came)

    def away(self) -> list[int]:
        """Codes of the GOAWAYs that it was sent."""
        return [int.from_bytes(one[3][4:8], "big") for one in self.came if one[0] == frames.GOAWAY]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(len(frames.PREFACE))
            writer.write(frames.frame(frames.SETTINGS, 0, 0))
            rest = b""
            while data := await reader.read(1 << 16):
                found, used = split(rest + data)
                rest = (rest + data)[used:]
                self.came += found
                for kind, flags, number, payload in found:
                    if kind == frames.HEADERS:
                        writer.write(self.says(number))
                        if self.hangs_up:
                            writer.write_eof()
                    elif kind in (frames.SETTINGS, frames.PING) and not flags & frames.ACK:
                        writer.write(frames.frame(kind, frames.ACK, 0, payload * (kind == frames.PING)))
                await writer.drain()
        self.ended += 1
        writer.close()


@contextlib.asynccontextmanager
async def hostile_server() -> AsyncIterator[HostileServer]:
    """One that listens; good, until it is told otherwise."""
    one = HostileServer()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
