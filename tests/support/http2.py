"""A server of bare HTTP/2 frames, for what no gRPC library can be told to do: refuse a stream, go away."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

PREFACE = 24
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK = 1
REFUSED_STREAM, CANCEL = 7, 8


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


@dataclass
class Refusing:
    """Answers every call by one frame; `calls` of them came."""

    reset: int | None  # RST_STREAM with this code; else GOAWAY that says no stream was taken up
    address: str = ""
    calls: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(PREFACE)
            writer.write(frame(SETTINGS, 0, 0))
            while True:
                head = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                self._answer(head[3], head[4], int.from_bytes(head[5:], "big"), payload, writer)
        writer.close()

    def _answer(
        self, kind: int, flags: int, stream: int, payload: bytes, writer: asyncio.StreamWriter
    ) -> None:
        if kind in (SETTINGS, PING) and not flags & ACK:
            writer.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        if kind == HEADERS:
            self.calls += 1
            if self.reset is not None:
                writer.write(frame(RST_STREAM, 0, stream, struct.pack(">I", self.reset)))
            else:
                writer.write(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))


@contextlib.asynccontextmanager
async def refusing(reset: int | None) -> AsyncIterator[Refusing]:
    """Such a server, listening."""
    one = Refusing(reset)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()


@dataclass
class Recording:
    """Takes every call and never answers; `arrived` are the payloads of DATA frames."""

    address: str = ""
    arrived: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(PREFACE)
            writer.write(frame(SETTINGS, 0, 0))
            while True:
                head = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] in (SETTINGS, PING) and not head[4] & ACK:
                    writer.write(frame(head[3], ACK, 0, payload if head[3] == PING else b""))
                if head[3] == DATA:
                    self.arrived.put_nowait(payload)
        writer.close()

    async def first_data(self) -> bytes:
        """The first DATA frame with anything in it: it begins with a message's five bytes of framing."""
        async with asyncio.timeout(60):
            while not (payload := await self.arrived.get()):
                pass
        return payload


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[Recording]:
    """Such a server, listening."""
    one = Recording()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()
