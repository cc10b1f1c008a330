"""The relay beside its peers, a row for each question that a user of a proxy asks; `--row` for one alone.

Load: gRPC's C++ client (by its Python face) where its own cost does not matter, h2load where it would: there
calls are alike, and nginx stands for a model server that takes no time. Each proxy in turn, several rounds,
medians. CPU and memory are the proxy's own, from /proc. Peers that are not installed are left out.
"""

import argparse
import asyncio
import contextlib
import math
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import grpc
import uvloop

from benchmarks.cost_per_call import MESSAGE, METHOD, OPTIONS, start
from benchmarks.relay_cost import Proxy, load, proxies
from benchmarks.workers import MESSAGE as FRAMED
from benchmarks.workers import NGINX

MEGABYTE = 1024 * 1024
ROUNDS = 5
ECHO = "/any.Service/Echo"
Figures = dict[str, list[float]]

MIRRORED = """
kind: Sidecar
engine: relay
listen: 127.0.0.1:0
admin: 127.0.0.1:0
status: 127.0.0.1:0
service:
  name: echo
  variants:
    - {{name: v1, target: "{target}"}}
    - {{name: v2, target: "{target}"}}
  routes:
    - name: all
      split: {{weights: {{v1: 100}}, sticky: {{metadata: [x-user-id]}}}}
      mirrors: [{{variant: v2, percent: {percent}, max_in_flight: 1000, compare: {{}}}}]
"""


async def in_turn(
    found: list[Proxy], rounds: int, measure: Callable[[Proxy], Awaitable[list[float]]]
) -> dict[str, list[float]]:
    """The median of each figure, by proxy."""
    seen: dict[str, list[list[float]]] = {one.name: [] for one in found}
    for one in found:
        await measure(one)  # warm
    for _ in range(rounds):
        for one in found:
            seen[one.name].append(await measure(one))
    return {
        name: [statistics.median(each) for each in zip(*rows, strict=True)] for name, rows in seen.items()
    }


def show(title: str, columns: list[str], figures: Figures) -> None:
    print(f"\n| {title} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, row in figures.items():
        print(f"| {name} | {' | '.join(f'{value:.4g}' for value in row)} |", flush=True)


@contextlib.asynccontextmanager
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    options = (*OPTIONS, ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.insecure_channel(address, options=options) as made:
        yield made


async def one_at_a_time(found: list[Proxy], rounds: int) -> None:
    async def measure(one: Proxy) -> list[float]:
        async with channel(one.address) as to:
            predict = to.unary_unary(METHOD)
            times = []
            for number in range(400):
                begun = time.perf_counter()
                await predict(MESSAGE, timeout=10, metadata=(("x-user-id", f"user-{number}"),))
                times.append((time.perf_counter() - begun) * 1e6)
        return [statistics.median(times), statistics.quantiles(times, n=100)[98]]

    show("one call at a time", ["p50, µs", "p99, µs"], await in_turn(found, rounds, measure))


async def large(found: list[Proxy], rounds: int) -> None:
    async def measure(one: Proxy) -> list[float]:
        async with channel(one.address) as to:
            predict, before, body = to.unary_unary(METHOD), one.cpu(), bytes(MEGABYTE)
            for _ in range(200):
                await predict(body, timeout=60, metadata=(("x-user-id", "user"),))
        return [400 / (one.cpu() - before)]

    show("1 MB each way", ["MB/s per core"], await in_turn(found, rounds, measure))


async def stream(found: list[Proxy], rounds: int) -> None:
    async def measure(one: Proxy) -> list[float]:
        count = 5000
        async with channel(one.address) as to:
            call = to.stream_stream(ECHO)(metadata=(("x-user-id", "user"),))
            await call.write(MESSAGE)
            await call.read()
            before, begun = one.cpu(), time.perf_counter()

            async def write() -> None:
                for _ in range(count):
                    await call.write(MESSAGE)
                await call.done_writing()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(write())
                read = 0
                while await call.read() is not grpc.aio.EOF:
                    read += 1
            assert read == count
            return [count / (time.perf_counter() - begun), (one.cpu() - before) / count * 1e6]

    columns = ["messages/s", "CPU per message and way back, µs"]
    show("one bidirectional stream, 128 B", columns, await in_turn(found, rounds, measure))


async def mirrored(target: str, rounds: int) -> None:
    """With and without a copy of every call to a healthy shadow: each round by processes of its own, since
    the same code costs up to a tenth more in one process than in the next.
    """
    figures: Figures = {"0 % copied": [], "100 % copied": []}
    with tempfile.TemporaryDirectory() as name:
        file = pathlib.Path(name) / "sidecar.yaml"
        for _ in range(rounds):
            for percent in (0, 100):
                file.write_text(MIRRORED.format(target=target, percent=percent))
                command = ("-c", "from understudy.cli import main; main()", "proxy", "--config", str(file))
                one = Proxy("relay", *start(sys.executable, *command))
                try:
                    await load(one.address, 1000)  # warm
                    before = one.cpu()
                    await load(one.address, 4000)
                    await asyncio.sleep(0.3)  # its copies
                    figures[f"{percent} % copied"].append((one.cpu() - before) / 4000 * 1e6)
                finally:
                    one.process.terminate()
                    one.process.wait()
    medians = {name: [statistics.median(each)] for name, each in figures.items()}
    without, with_copies = medians.values()
    medians["ratio"] = [with_copies[0] / without[0]]
    show("mirror to a healthy shadow", ["CPU per call, µs, median"], medians)


async def h2load(address: str, *arguments: str) -> str:
    """What it says of calls that were all answered well."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(FRAMED)
        body.flush()
        process = await asyncio.create_subprocess_exec(
            *("h2load", "-t", "1", *arguments, "-d", body.name),
            *("-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "x-user-id: user"),
            f"http://{address}{METHOD}",
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await process.communicate()
    text = told.decode()
    assert " 0 failed, 0 errored, 0 timeout" in text, f"{address}: {text}"
    return text


async def connections(found: list[Proxy], rounds: int) -> None:
    async def measure(one: Proxy) -> list[float]:
        before = one.cpu()
        await h2load(one.address, "-c", "1000", "-m", "1", "-n", "10000")
        return [(one.cpu() - before) / 10000 * 1e6, one.memory()]

    show("1000 connections", ["CPU per call, µs", "memory, MB"], await in_turn(found, rounds, measure))


async def at_70_percent(found: list[Proxy], rounds: int) -> None:
    """Latency at 70 % of Envoy's peak, and of the relay's; calls that are all alike.

    Without nginx, which keeps no connection to a server that answers before it has read the request: it
    would use up the ports of this machine in a minute.
    """
    found = [one for one in found if one.name != "nginx"]
    peaks = {}
    for one in found:
        told = await h2load(one.address, "-c", "16", "-m", "4", "-D", "3", "--warm-up-time", "1")
        rate = re.search(r"finished in .*?, ([\d.]+) req/s", told)
        assert rate is not None
        peaks[one.name] = float(rate[1])
    for pace in ("envoy", "relay"):
        if pace not in peaks:
            continue
        rate_each = max(1, int(peaks[pace] * 0.7 / 16))

        async def measure(one: Proxy, rate_each: int = rate_each) -> list[float]:
            with tempfile.NamedTemporaryFile() as log:
                paced = ("-c", "16", "-m", "16", "-D", "3", "--rps", str(rate_each), "--log-file", log.name)
                await h2load(one.address, *paced)
                times = [int(line.split()[2]) / 1000 for line in log] or [math.inf] * 2
            p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
            return [peaks[one.name], len(times) / 3, p50, p99]

        columns = ["its peak, calls/s", "calls/s now", "p50, ms", "p99, ms"]
        able = [one for one in found if peaks[one.name] > rate_each * 16]
        show(f"70 % of {pace}'s peak", columns, await in_turn(able, rounds, measure))
        for one in found:
            if one not in able:
                print(f"| {one.name} | {peaks[one.name]:.4g} | cannot | | |")


def idle(found: list[Proxy]) -> None:
    show("idle", ["memory, MB"], {one.name: [one.memory()] for one in found})


@contextlib.contextmanager
def responder() -> Iterator[str]:
    """nginx as a model server."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = pathlib.Path(name), random.randint(20000, 60000)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        nginx = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            nginx.terminate()
            nginx.wait()


ROWS = ("idle", "latency", "large", "stream", "mirror", "connections", "paced")


async def table(rows: list[str], rounds: int, envoy: str) -> None:
    model, target = start(sys.executable, "-m", "benchmarks.cost_per_call", "--serve")
    try:
        with proxies(target, envoy) as found:
            await asyncio.sleep(2)
            if "idle" in rows:
                idle(found)
            direct = Proxy("direct (the model's own CPU)", model, target)
            for name, part in (("latency", one_at_a_time), ("stream", stream)):
                if name in rows:
                    await part([*found, direct], rounds)
            if "large" in rows:
                await large(found, rounds)
        if "mirror" in rows:
            await mirrored(target, rounds)
    finally:
        model.terminate()
        model.wait()
    if not {"connections", "paced"} & set(rows):
        return
    if shutil.which("h2load") is None or shutil.which("nginx") is None:
        print("\nleft out: 1000 connections, 70 % of the peak: they need h2load and nginx")
        return
    with responder() as nginx, proxies(nginx, envoy) as found:
        await asyncio.sleep(2)
        for name, part in (("connections", connections), ("paced", at_70_percent)):
            if name in rows:
                await part(found, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--envoy", default="envoy", help="Envoy's binary")
    arguments = parser.parse_args()
    uvloop.run(table(arguments.row or list(ROWS), arguments.rounds, arguments.envoy))


if __name__ == "__main__":
    main()
