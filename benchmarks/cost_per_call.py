"""What a call through the sidecar costs, beside the same call made directly, in one run."""

import argparse
import asyncio
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import uvloop

METHOD = "/understudy.v1.PredictionService/Predict"
MESSAGE = bytes(128)
AT_ONCE = 16
TICKS = os.sysconf("SC_CLK_TCK")
OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0))

SIDECAR = """
kind: Sidecar
listen: 127.0.0.1:0
admin: 127.0.0.1:0
status: 127.0.0.1:0
service:
  name: echo
  variants:
    - {{name: v1, target: "{target}"}}
    - {{name: v2, target: "{target}"}}
  routes:
    - {{name: all, split: {{weights: {{v1: 90, v2: 10}}, sticky: {{metadata: [x-user-id]}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One way of calling: microseconds of CPU per call by process, and the latency of a single call."""

    cpu: dict[str, float]
    latency: float

    @property
    def total(self) -> float:
        return sum(self.cpu.values())


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def serve_echo() -> None:
    """The model server: answers with what it was sent."""

    async def echo(request: bytes, _context: object) -> bytes:
        return request

    async def echo_all(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    class Echo(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            if details.method.endswith("/Echo"):
                return grpc.stream_stream_rpc_method_handler(echo_all)
            return grpc.unary_unary_rpc_method_handler(echo)

    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"listening": {"data": f"127.0.0.1:{port}"}}), flush=True)
    await server.wait_for_termination()


async def measure(address: str, pids: dict[str, int], calls: int) -> Round:
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        predict = channel.unary_unary(METHOD)
        numbers = iter(range(calls))

        async def call(number: int) -> None:
            metadata = (("x-user-id", f"user-{number}"), ("x-request-id", f"request-{number}"))
            await predict(MESSAGE, timeout=10, metadata=metadata)

        async def caller() -> None:
            for number in numbers:
                await call(number)

        await call(0)
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        spent = {name: (cpu_seconds(pid) - before[name]) / calls * 1e6 for name, pid in pids.items()}
        latencies = []
        for number in range(200):
            started = time.perf_counter()
            await call(number)
            latencies.append(time.perf_counter() - started)
        return Round(spent, statistics.median(latencies) * 1e6)


def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["listening"]["data"]


async def compare(rounds: int, calls: int) -> None:
    model, target = start(sys.executable, __file__, "--serve")
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "sidecar.yaml"
        config.write_text(SIDECAR.format(target=target))
        command = (sys.executable, "-c", "from understudy.cli import main; main()")
        sidecar, address = start(*command, "proxy", "--config", str(config))
    try:
        own = {"client": os.getpid(), "model": model.pid}
        await measure(address, own, 500)
        direct, through = [], []
        for _ in range(rounds):
            direct.append(await measure(target, own, calls))
            through.append(await measure(address, own | {"sidecar": sidecar.pid}, calls))
        print_table(direct, through)
    finally:
        for process in (sidecar, model):
            process.terminate()
            process.wait()


def print_table(direct: list[Round], through: list[Round]) -> None:
    def median(rounds: list[Round], name: str) -> float:
        return statistics.median(one.cpu[name] for one in rounds)

    total = statistics.median(one.total for one in direct)
    sidecar = median(through, "sidecar")
    d_latency = statistics.median(one.latency for one in direct)
    t_latency = statistics.median(one.latency for one in through)
    ratio = statistics.median(t.cpu["sidecar"] / d.total for d, t in zip(direct, through, strict=True))
    print("| per call                         | direct | through the sidecar |")
    print("|----------------------------------|--------|---------------------|")
    print(f"| CPU of client and model, µs      | {total:6.0f} | {'':19} |")
    print(f"| CPU of the sidecar, µs           |        | {sidecar:19.0f} |")
    print(f"| sidecar / (client and model)     |        | {ratio:19.2f} |")
    print(f"| latency, one at a time, p50, µs  | {d_latency:6.0f} | {t_latency:19.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=4000)
    arguments = parser.parse_args()
    uvloop.run(serve_echo() if arguments.serve else compare(arguments.rounds, arguments.calls))


if __name__ == "__main__":
    main()
