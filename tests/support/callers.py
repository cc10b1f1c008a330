"""Callers of a sidecar (or of a model server): one raw channel, and what came back of each call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc.aio import EOF

Pairs = Sequence[tuple[str, str | bytes]]

OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.http2.bdp_probe", 0),  # its windows stay as they are, however fast it is fed
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
)


@dataclass(frozen=True)
class Reply:
    """Everything a caller sees of a call."""

    code: grpc.StatusCode
    details: str
    messages: tuple[bytes, ...]
    initial: tuple[tuple[str, str | bytes], ...]
    trailing: tuple[tuple[str, str | bytes], ...]

    @property
    def message(self) -> bytes:
        (only,) = self.messages
        return only

    @property
    def ok(self) -> bool:
        return self.code is grpc.StatusCode.OK

    def values(self, key: str) -> list[str | bytes]:
        """Of a key, wherever it stands."""
        return [value for name, value in (*self.initial, *self.trailing) if name == key]

    def value(self, key: str) -> str:
        (only,) = self.values(key)
        assert isinstance(only, str)
        return only

    @property
    def variant(self) -> str:
        return self.value("x-understudy-variant")

    @property
    def error(self) -> str:
        """Why the sidecar itself ended it; empty where it did not."""
        found = self.values("x-understudy-error")
        assert len(found) <= 1, found
        return str(found[0]) if found else ""


async def reply_of(call: Any, messages: Iterable[bytes] = ()) -> Reply:
    """The end of a call, and what came before."""
    return Reply(
        await call.code(),
        await call.details() or "",
        tuple(messages),
        tuple((key, value) for key, value in await call.initial_metadata() or ()),
        tuple((key, value) for key, value in await call.trailing_metadata() or ()),
    )


class Caller:
    """One connection."""

    def __init__(
        self, address: str, *options: tuple[str, int], credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        every = (*OPTIONS, *options)
        self.channel = (
            grpc.aio.insecure_channel(address, options=every)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=every)
        )

    async def unary(
        self, method: str, request: bytes = b"", metadata: Pairs = (), deadline: float | None = 30.0
    ) -> Reply:
        """One message each way."""
        call = self.channel.unary_unary(method)(request, metadata=tuple(metadata), timeout=deadline)
        try:
            message = await call
        except grpc.aio.AioRpcError:
            return await reply_of(call)
        return await reply_of(call, [message])

    def stream(self, method: str, metadata: Pairs = (), deadline: float | None = 30.0) -> Any:
        """An open bidirectional call."""
        return self.channel.stream_stream(method)(metadata=tuple(metadata), timeout=deadline)

    async def exchange(
        self,
        method: str,
        requests: Sequence[bytes],
        metadata: Pairs = (),
        deadline: float | None = 30.0,
    ) -> Reply:
        """Every request, the half-close, then every answer."""
        call = self.stream(method, metadata, deadline)
        messages: list[bytes] = []
        try:
            for request in requests:
                await call.write(request)
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # it ended early: how, the status says
        with contextlib.suppress(grpc.aio.AioRpcError):
            while (message := await call.read()) is not EOF:
                messages.append(message)
        return await reply_of(call, messages)


@contextlib.asynccontextmanager
async def caller(
    address: str, *options: tuple[str, int], credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[Caller]:
    """One connection, closed in the end; TLS where there are credentials."""
    one = Caller(address, *options, credentials=credentials)
    try:
        yield one
    finally:
        await one.channel.close()
