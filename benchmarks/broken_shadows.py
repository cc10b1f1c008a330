"""Model servers for `hostile_shadows.py`: one that works, and shadows that are broken, each in its own way.

    python -m benchmarks.broken_shadows KIND

with healthy, silent, late, nowhere, resets, refuses, unread, endless or gigabyte.

What grpc's own server cannot be made to do is said in HTTP/2 by hand, with `h2`.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys

# Read when grpc is imported: its fork handlers crash the start of a process now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import uvloop

PREDICTION = 0.005
"""Seconds that the model takes."""

LATE = 10.0
"""Seconds that the late shadow takes."""

GIGABYTE = 2**30
PIECE = 64 * 1024
HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


def announce(address: str) -> None:
    print(json.dumps({"listening": {"data": address, "status": ""}}), flush=True)


async def serve_model(takes: float | None) -> None:
    """Echoes after so many seconds; never, where there is no number."""

    async def predict(request: bytes, _context: object) -> bytes:
        if takes is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(takes)
        return request

    class Models(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(predict)

    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((Models(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(f"127.0.0.1:{port}")
    await server.wait_for_termination()


class Broken(asyncio.Protocol):
    """A connection of a server that answers by HTTP/2's rules, and by none of gRPC's."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, validate_inbound_headers=False)
        )
        self.transport: asyncio.Transport | None = None
        self.unsent: dict[int, int] = {}  # by stream: bytes that are still to be said
        self.is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's is none by its class
        if self.fault == "unread":
            setting = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
            self.http2.local_settings = h2.settings.Settings(client=False, initial_values={setting: 0})
        self.http2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self.http2.receive_data(data):
                self.take(event)
        except h2.exceptions.ProtocolError:
            pass  # what it says of that goes out below
        self.say()

    def take(self, event: object) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(number)) if self.fault == "resets":
                self.http2.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)
            case h2.events.RequestReceived(stream_id=int(number)) if self.fault == "refuses":
                self.http2.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)
            case h2.events.RequestReceived(stream_id=int(number)) if self.fault in ("endless", "gigabyte"):
                self.http2.send_headers(number, HEADERS)
                self.unsent[number] = 0
            case h2.events.DataReceived(stream_id=int(number), flow_controlled_length=int(size)):
                with contextlib.suppress(h2.exceptions.ProtocolError):  # the stream may be over
                    self.http2.acknowledge_received_data(size, number)
            case h2.events.StreamReset(stream_id=int(number)):
                self.unsent.pop(number, None)

    def say(self) -> None:
        """As much as the windows let through: one message of 1 GB, or messages of 64 KB without end."""
        for number in list(self.unsent):
            try:
                self.say_to(number)
            except h2.exceptions.ProtocolError:  # the stream is over, or the connection
                self.unsent.pop(number, None)
        self.flush()

    def say_to(self, number: int) -> None:
        while number in self.unsent and not self.is_paused:
            window = min(self.http2.local_flow_control_window(number), self.http2.max_outbound_frame_size)
            if window < 6:
                break
            self.say_some(number, window)
            self.flush()

    def say_some(self, number: int, window: int) -> None:
        message = GIGABYTE if self.fault == "gigabyte" else PIECE
        rest, head = self.unsent[number], b""
        if rest == 0:  # a message begins
            rest, head = message, b"\0" + message.to_bytes(4, "big")
        size = min(window - len(head), rest)
        self.http2.send_data(number, head + bytes(size))
        self.unsent[number] = rest - size
        if rest == size and self.fault == "gigabyte":
            del self.unsent[number]
            self.http2.send_headers(number, [("grpc-status", "0")], end_stream=True)

    def flush(self) -> None:
        assert self.transport is not None
        self.transport.write(self.http2.data_to_send())

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        self.say()


async def serve_broken(fault: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Broken(fault), "127.0.0.1", 0)
    announce("{}:{}".format(*server.sockets[0].getsockname()[:2]))
    await server.serve_forever()


async def listen_nowhere() -> None:
    """A port where every connection is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and never listens
        announce(f"127.0.0.1:{bound.getsockname()[1]}")
        await asyncio.Event().wait()


async def serve(fault: str) -> None:
    match fault:
        case "healthy":
            await serve_model(PREDICTION)
        case "silent":
            await serve_model(None)
        case "late":
            await serve_model(LATE)
        case "nowhere":
            await listen_nowhere()
        case _:
            await serve_broken(fault)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(sys.argv[1]))
