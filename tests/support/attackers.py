"""An attacker: a raw socket that writes HTTP/2 bytes at a server, and what the server made of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from proxy.http2 import frames
from proxy.http2.encoder import literal
from tests.support.raw_frames import split

PREFACE = frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)
BLOCK = b"".join(
    (
        b"\x83\x86",
        literal(":path", "/understudy.v1.PredictionService/Predict"),
        literal(":authority", "x"),
        literal("te", "trailers"),
        literal("content-type", "application/grpc"),
    )
)
MESSAGE = b"\0\0\0\0\1x"
PATIENCE = 20.0


@dataclass
class Attacker:
    """One connection; `came` is what came back on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    came: list[frames.Frame] = field(default_factory=list)
    _rest: bytes = b""

    async def send(self, data: bytes) -> None:
        """Everything, or as much as the server takes before it hangs up."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def read(self) -> bool:
        """More of what came back; False where it is over."""
        try:
            data = await self.reader.read(1 << 16)
        except ConnectionError:
            return False
        found, used = split(self._rest + data)
        self._rest = (self._rest + data)[used:]
        self.came += found
        return bool(data)

    async def closed(self) -> int | None:
        """The code of the GOAWAY that came before the end; None where none was to be read."""
        async with asyncio.timeout(PATIENCE):
            while await self.read():
                pass
        return self.away

    async def pong(self) -> bool:
        """Whether the connection is in use still: a PING is answered."""
        await self.send(frames.frame(frames.PING, 0, 0, b"stillon?"))
        async with asyncio.timeout(PATIENCE):
            while not any(one[0] == frames.PING and one[3] == b"stillon?" for one in self.came):
                if not await self.read():
                    return False
        return True

    @property
    def away(self) -> int | None:
        codes = [int.from_bytes(one[3][4:8], "big") for one in self.came if one[0] == frames.GOAWAY]
        return codes[-1] if codes else None

    def resets(self) -> list[int]:
        """Codes of the streams that the server reset."""
        return [int.from_bytes(one[3], "big") for one in self.came if one[0] == frames.RST_STREAM]


@contextlib.asynccontextmanager
async def attacker(address: str, greeting: bytes = PREFACE) -> AsyncIterator[Attacker]:
    """A connection that has said so much."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    one = Attacker(reader, writer)
    await one.send(greeting)
    try:
        yield one
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
