"""Model servers that answer by script: real grpc.aio servers over raw bytes, on a port of the system's.

A behaviour reads and writes one call; every call is remembered with what the server saw of it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc.aio import EOF

Pairs = tuple[tuple[str, str | bytes], ...]

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 128 * 1024),
    ("grpc.http2.bdp_probe", 0),  # its windows stay as they are, however fast it is fed
)


@dataclass(eq=False)
class Received:
    """One call as a model server saw it."""

    method: str
    metadata: Pairs
    time_remaining: float | None
    peer: str
    who: str  # by the caller's certificate
    context: Any  # of use only while the call lasts
    messages: list[bytes] = field(default_factory=list)
    half_closed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> bytes | None:
        """The next message; None after the half-close."""
        message = await self.context.read()
        if message is EOF:
            self.half_closed = True
            return None
        self.messages.append(message)
        return message

    async def read_all(self) -> list[bytes]:
        while await self.read() is not None:
            pass
        return self.messages

    async def write(self, message: bytes) -> None:
        await self.context.write(message)

    async def begin(self, *metadata: tuple[str, str | bytes]) -> None:
        """Send the initial metadata now."""
        await self.context.send_initial_metadata(metadata)

    def end(self, code: grpc.StatusCode, details: str = "", *trailing: tuple[str, str | bytes]) -> None:
        """The status that the call ends with, once the behaviour returns."""
        self.context.set_code(code)
        self.context.set_details(details)
        self.context.set_trailing_metadata(trailing)

    def values(self, key: str) -> list[str | bytes]:
        return [value for name, value in self.metadata if name == key]


Behaviour = Callable[[Received], Awaitable[None]]


async def echo(call: Received) -> None:
    """Everything back, message by message."""
    while (message := await call.read()) is not None:
        await call.write(message)


def answers(message: bytes) -> Behaviour:
    """One answer to one request."""

    async def behave(call: Received) -> None:
        await call.read()
        await call.write(message)

    return behave


def fails(code: grpc.StatusCode, details: str = "", *trailing: tuple[str, str | bytes]) -> Behaviour:
    """A status and nothing else."""

    async def behave(call: Received) -> None:
        await call.read()
        call.end(code, details, *trailing)

    return behave


async def hangs(call: Received) -> None:
    """Never answers."""
    await call.read()
    await asyncio.Event().wait()


def waits_for(released: asyncio.Event, then: Behaviour = echo) -> Behaviour:
    """Answers only once it is told to."""

    async def behave(call: Received) -> None:
        await released.wait()
        await then(call)

    return behave


class Model(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc's base class is Any to mypy
    """One scripted model server; `behaviour` may be replaced at any time."""

    def __init__(self, behaviour: Behaviour, credentials: grpc.ServerCredentials | None = None) -> None:
        self.behaviour = behaviour
        self.credentials = credentials
        self.calls: list[Received] = []
        self.address = ""
        self.arrived: asyncio.Queue[Received] = asyncio.Queue()
        self.remembers = True
        self._server: grpc.aio.Server | None = None

    def service(self, handler_call_details: Any) -> Any:
        method = handler_call_details.method

        async def handle(_: Any, context: Any) -> None:
            metadata = tuple((key, value) for key, value in context.invocation_metadata() or ())
            who = b"".join(
                context.auth_context().get("x509_common_name", ()) if self.credentials else ()
            ).decode()
            call = Received(method, metadata, context.time_remaining(), context.peer(), who, context)
            if self.remembers:
                self.calls.append(call)
                self.arrived.put_nowait(call)
            try:
                await self.behaviour(call)
            except asyncio.CancelledError:
                call.cancelled.set()
                raise
            finally:
                call.ended.set()

        return grpc.stream_stream_rpc_method_handler(handle)

    async def start(self, address: str = "127.0.0.1:0") -> None:
        """Listen; again on the same address after a `kill`, where none is given."""
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((self,))
        where = self.address or address
        if self.credentials is None:
            port = self._server.add_insecure_port(where)
        else:
            port = self._server.add_secure_port(where, self.credentials)
        self.address = f"{address.rpartition(':')[0]}:{port}"
        await self._server.start()

    async def kill(self) -> None:
        """Stop at once, whatever is in flight."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(0)

    async def next_call(self) -> Received:
        """The next call that arrives."""
        async with asyncio.timeout(15):
            return await self.arrived.get()


@contextlib.asynccontextmanager
async def model(
    behaviour: Behaviour = echo, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[Model]:
    """A scripted model server, listening; TLS where there are credentials."""
    server = Model(behaviour, credentials)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
