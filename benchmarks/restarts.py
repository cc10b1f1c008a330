"""Calls lost while a sidecar is replaced under load: a new one starts on the same port, the old one drains.

Three kinds of callers at once, all with retries off: a steady stream of short calls over connections that
stay, calls that take 100 ms and of which 40 are always in flight, and callers that connect anew each time.
With `--client`, some other client in their place: what it said at its end is shown, and its exit code.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import os
import pathlib
import random
import shlex
import signal
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field

# Read when grpc is imported: its fork handlers crash the start of a process now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import uvloop

SHORT = "/understudy.v1.PredictionService/Predict"
LONG = "/inference.GRPCInferenceService/ModelInfer"
LONG_TAKES = 0.1
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass
class Tally:
    """What became of the calls of one kind of callers."""

    calls: int = 0
    lost: collections.Counter[str] = field(default_factory=collections.Counter)

    async def count(self, call: grpc.aio.UnaryUnaryCall) -> None:
        self.calls += 1
        try:
            await call
        except grpc.aio.AioRpcError as error:
            self.lost[f"{error.code().name}: {(error.details() or '')[:60]}"] += 1


async def steady(address: str, tally: Tally, rate: float) -> None:
    """Short calls at random moments, over eight connections."""
    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OPTIONS))
            for _ in range(8)
        ]
        due = time.perf_counter()
        while True:
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(tally.count(random.choice(channels).unary_unary(SHORT)(b"x", timeout=30)))


async def in_flight(address: str, tally: Tally, calls: int) -> None:
    """So many long calls at any time, ten to a connection."""

    async def caller(channel: grpc.aio.Channel) -> None:
        while True:
            await tally.count(channel.unary_unary(LONG)(b"x", timeout=30))

    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for _ in range(calls // 10):
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OPTIONS))
            for _ in range(10):
                tasks.create_task(caller(channel))


async def connecting(address: str, tally: Tally, rate: float) -> None:
    """A connection for each call."""

    async def once() -> None:
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            await tally.count(channel.unary_unary(SHORT)(b"x", timeout=30))

    async with asyncio.TaskGroup() as tasks:
        while True:
            await asyncio.sleep(random.expovariate(rate))
            tasks.create_task(once())


async def serve_model() -> None:
    """The model server: echoes, after a while where the call is a long one."""

    async def short(request: bytes, _context: object) -> bytes:
        return request

    async def long(request: bytes, _context: object) -> bytes:
        await asyncio.sleep(LONG_TAKES)
        return request

    class Models(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(long if details.method == LONG else short)

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((Models(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"listening": {"data": f"127.0.0.1:{port}", "status": ""}}), flush=True)
    await server.wait_for_termination()


@dataclass
class Process:
    """A model server or a sidecar, once it listens."""

    process: asyncio.subprocess.Process
    data: str
    status: str

    async def until_ready(self) -> None:
        host, _, port = self.status.rpartition(":")
        while True:
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
            answer = await reader.read()
            writer.close()
            if b" 200 " in answer.partition(b"\r\n")[0]:
                return
            await asyncio.sleep(0.02)

    async def stop(self) -> float:
        """Ask it to end; the seconds that this took."""
        started = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        await self.process.wait()
        return time.perf_counter() - started


def kill(process: asyncio.subprocess.Process) -> None:
    """What a failed run leaves behind."""
    if process.returncode is None:
        process.kill()


async def start(stack: contextlib.ExitStack, *arguments: str) -> Process:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    stack.callback(kill, process)
    line = await process.stdout.readline()
    if not line:
        raise SystemExit(f"{arguments} ended with {await process.wait()} before it listened")
    listening = json.loads(line)["listening"]
    return Process(process, listening["data"], listening["status"])


def sidecar_file(
    folder: str, target: str, port: int, workers: int, options: argparse.Namespace
) -> pathlib.Path:
    document = {
        "kind": "Sidecar",
        "listen": f"127.0.0.1:{port}",
        "admin": "127.0.0.1:0",
        "status": "127.0.0.1:0",
        "engine": options.engine,
        "reuse_port": True,
        "workers": workers,
        "drain_timeout": f"{options.drain_timeout:g}s",
        "service": {"name": "echo", "variants": [{"name": "v1", "target": target}]},
    }
    if options.max_connection_age:
        document["max_connection_age"] = f"{options.max_connection_age:g}s"
    file = pathlib.Path(folder) / f"sidecar-{workers}.yaml"
    file.write_text(json.dumps(document))
    return file


async def measure(options: argparse.Namespace) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    took = []
    tallies = {name: Tally() for name in ("steady", "in flight", "connecting")}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        model = None if options.target else await start(stack, __file__, "--serve")
        target = options.target if model is None else model.data
        commands = itertools.cycle(
            (
                *("-c", "from understudy.cli import main; main()", "proxy"),
                *("--config", str(sidecar_file(folder, target, port, workers, options))),
                *("--log-level", "error"),
            )
            for workers in options.workers
        )
        sidecar = await start(stack, *next(commands))
        await sidecar.until_ready()
        async with asyncio.TaskGroup() as tasks:
            if options.client:
                callers = [tasks.create_task(other_client(options.client.format(address=sidecar.data)))]
            else:
                callers = callers_of(tasks, sidecar.data, tallies, options)
            await asyncio.sleep(1.0)
            while len(took) < options.restarts and not all(caller.done() for caller in callers):
                successor = await start(stack, *next(commands))
                await successor.until_ready()
                took.append(await sidecar.stop())
                sidecar = successor
                await asyncio.sleep(options.pause)
            if options.client:
                await asyncio.wait(callers)
            for caller in callers:
                caller.cancel()
        await sidecar.stop()
        if model is not None:
            await model.stop()
    print_table(tallies, took)


def callers_of(
    tasks: asyncio.TaskGroup, address: str, tallies: dict[str, Tally], options: argparse.Namespace
) -> list[asyncio.Task[None]]:
    return [
        tasks.create_task(steady(address, tallies["steady"], options.rate)),
        tasks.create_task(in_flight(address, tallies["in flight"], options.in_flight)),
        tasks.create_task(connecting(address, tallies["connecting"], options.connections)),
    ]


async def other_client(command: str) -> None:
    """A client of another kind, to its end."""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    print(*said.decode().splitlines()[-20:], f"exit code {process.returncode}", sep="\n")


def print_table(tallies: dict[str, Tally], took: list[float]) -> None:
    print(
        f"{len(took)} restarts, each took {statistics.median(took):.1f} s (median), {max(took):.1f} s at most"
    )
    if not any(tally.calls for tally in tallies.values()):
        return
    print("| callers    |  calls | lost | of them |")
    print("|------------|--------|------|---------|")
    for name, tally in tallies.items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in tally.lost.most_common())
        print(f"| {name:<10} | {tally.calls:6} | {tally.lost.total():4} | {kinds} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--engine", default="grpc-aio")
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1], help="of each sidecar in turn: two numbers alternate"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="short calls a second")
    parser.add_argument("--in-flight", type=int, default=40, help="long calls at any time")
    parser.add_argument("--connections", type=float, default=20.0, help="new connections a second")
    parser.add_argument("--drain-timeout", type=float, default=10.0)
    parser.add_argument("--max-connection-age", type=float, default=0.0, help="seconds; 0: none")
    parser.add_argument("--target", default="", help="a model server that is there already")
    parser.add_argument(
        "--client", default="", help="a command in the callers' place; {address} is the sidecar's"
    )
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between two restarts")
    options = parser.parse_args()
    uvloop.run(serve_model() if options.serve else measure(options))


if __name__ == "__main__":
    main()
