"""What TLS on both sides adds to a relayed call and to a connection, on both engines, in one run.

The load is that of `bench-engines`; large messages are of 1 MB, four at a time. The model server listens in
plain text and in TLS; each engine is started once for either. CPU is the sidecar's own, from /proc: by the
scheduler's nanoseconds, not by ticks.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import uvloop

from benchmarks.cost_per_call import MESSAGE, METHOD, OPTIONS, start
from tests.support.certificates import Authority, Pair, caller_credentials, client, model_credentials

CONNECTIONS, STREAMS = 4, 16
LARGE = bytes(1024 * 1024)
ENDLESS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
IDLE = 500

SIDECAR = """
kind: Sidecar
engine: {engine}
listen: 127.0.0.1:0
admin: 127.0.0.1:0
status: 127.0.0.1:0
{listen}
service:
  name: echo
  variants:
    - {{name: v1, target: "{target}"{variant}}}
    - {{name: v2, target: "{target}"{variant}}}
  routes:
    - {{name: all, split: {{weights: {{v1: 90, v2: 10}}, sticky: {{metadata: [x-user-id]}}}}}}
"""


@dataclass
class Setup:
    """One sidecar that runs, and what was measured of it."""

    engine: str
    process: "subprocess.Popen[str]"
    address: str
    ca: pathlib.Path | None
    small: list[float] = field(default_factory=list)  # µs of CPU a call
    large: list[float] = field(default_factory=list)  # µs of CPU a MB, there and back
    held: float = 0.0  # KB for an idle connection

    def channel(self) -> grpc.aio.Channel:
        options = (*OPTIONS, *ENDLESS, ("grpc.use_local_subchannel_pool", 1))
        if self.ca is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        return grpc.aio.secure_channel(self.address, caller_credentials(self.ca), options=options)

    def cpu(self) -> float:
        """Seconds, of all its threads."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> float:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return float(status.split("VmRSS:")[1].split()[0])


async def serve(pair: Pair) -> None:
    """The model server: answers with what it was sent, on a port of either kind."""

    async def echo(request: bytes, _context: object) -> bytes:
        return request

    class Echo(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(echo)

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0), *ENDLESS))
    server.add_generic_rpc_handlers((Echo(),))
    plain = server.add_insecure_port("127.0.0.1:0")
    secured = server.add_secure_port("127.0.0.1:0", model_credentials(pair))
    await server.start()
    print(json.dumps({"listening": {"data": f"{plain} {secured}"}}), flush=True)
    await server.wait_for_termination()


async def load(one: Setup, calls: int, message: bytes, streams: int) -> float:
    """So many calls, over every stream of every connection; seconds of the sidecar's CPU."""
    async with contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(one.channel()) for _ in range(CONNECTIONS)]
        await asyncio.gather(*(channel.unary_unary(METHOD)(b"") for channel in channels))
        numbers = iter(range(calls))

        async def caller(channel: grpc.aio.Channel) -> None:
            predict = channel.unary_unary(METHOD)
            for number in numbers:
                await predict(
                    message, timeout=10 + number % 1000 / 100, metadata=(("x-user-id", f"user-{number}"),)
                )

        before = one.cpu()
        await asyncio.gather(*(caller(channel) for channel in channels for _ in range(streams)))
        return one.cpu() - before


async def hold(one: Setup) -> float:
    """KB of the sidecar's memory for each of many connections that do nothing."""
    host, _, port = one.address.rpartition(":")
    context = client(one.ca) if one.ca else None
    before = one.memory()
    opened = []
    for _ in range(IDLE):
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        await reader.readexactly(9)
        opened.append(writer)
    found = (one.memory() - before) / IDLE
    for writer in opened:
        writer.transport.abort()
    return found


@contextlib.contextmanager
def setups(folder: pathlib.Path, authority: Authority, ports: list[str]) -> Iterator[list[Setup]]:
    own = authority.pair("sidecar")
    found: list[Setup] = []
    try:
        for engine in ("relay", "grpc-aio"):
            for port, is_tls in zip(ports, (False, True), strict=True):
                listen = f"tls: {{certificate: {own.certificate}, key: {own.key}}}" if is_tls else ""
                variant = f", tls: {{ca: {authority.ca}}}" if is_tls else ""
                config = folder / f"{engine}-{is_tls}.yaml"
                target = f"127.0.0.1:{port}"
                config.write_text(
                    SIDECAR.format(engine=engine, listen=listen, target=target, variant=variant)
                )
                command = (sys.executable, "-c", "from understudy.cli import main; main()")
                started = start(*command, "proxy", "--config", str(config))
                found.append(Setup(engine, *started, authority.ca if is_tls else None))
        yield found
    finally:
        for one in found:
            one.process.terminate()
            one.process.wait()


async def compare(rounds: int, calls: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        authority = Authority(folder)
        pair = authority.pair("model")
        command = ("-m", "benchmarks.tls_cost", "--serve", str(pair.certificate), str(pair.key))
        model, ports = start(sys.executable, *command)
        try:
            with setups(folder, authority, ports.split()) as found:
                await asyncio.sleep(1)
                for one in found:
                    await load(one, 500, MESSAGE, STREAMS)
                for _ in range(rounds):
                    for one in found:
                        one.small.append(await load(one, calls, MESSAGE, STREAMS) / calls * 1e6)
                        one.large.append(await load(one, calls // 50, LARGE, 1) / (calls // 50) * 1e6 / 2)
                for one in found:
                    one.held = await hold(one)
                show(found)
        finally:
            model.terminate()
            model.wait()


def show(found: list[Setup]) -> None:
    print(
        "| engine   | TLS | CPU per call, µs | × plain | CPU per MB, µs | × plain | KB per idle connection |"
    )
    print(
        "|----------|-----|------------------|---------|----------------|---------|------------------------|"
    )
    for plain, secured in zip(found[::2], found[1::2], strict=True):
        for one in (plain, secured):
            small, large = statistics.median(one.small), statistics.median(one.large)
            ratios = small / statistics.median(plain.small), large / statistics.median(plain.large)
            kind = "yes" if one is secured else "no"
            print(
                f"| {one.engine:8} | {kind:3} | {small:16.0f} | {ratios[0]:7.2f} | {large:14.0f} "
                f"| {ratios[1]:7.2f} | {one.held:22.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--serve", nargs=2, type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(Pair(*arguments.serve)))
    else:
        uvloop.run(compare(arguments.rounds, arguments.calls))


if __name__ == "__main__":
    main()
