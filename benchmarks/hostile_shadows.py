"""What callers notice of a broken shadow, and what memory it costs: nothing, and little.

Two sidecars before one model that takes 5 ms, one that mirrors all calls to the shadow and one that does
not, take the same load in turn: calls begun 100 times a second whatever becomes of those before (latency is
counted from when a call was due). The ratios are medians over the pairs of turns. Then the copies' outcomes,
which must sum up to the calls, and the peak memory of the mirroring sidecar beyond that of the other.

A shadow that fails ten times in a row is left alone for a while (README, mirroring): its outcome is then
`dropped_breaker`. Rows with a longer deadline keep as many copies under way as they may.
"""

import argparse
import asyncio
import collections
import contextlib
import gc
import json
import os
import pathlib
import re
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
import uvloop

from benchmarks.restarts import OPTIONS, Process, start

METHOD = "/any.Service/Predict"
MIB = 2**20
MIRROR_BYTES = 16 * MIB
ALLOWED = MIRROR_BYTES + 32 * MIB
LARGE = 10 * MIB
LARGE_ROW = "10 MiB tensors"
SAMPLE = re.compile(r"^understudy_mirror(_seen|)_total\{(.*)\} (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of shadow, and what it is told."""

    name: str
    shadow: str
    request: int = 1024  # bytes
    deadline: float = 1.0  # a copy's, seconds
    stopped: bool = False  # by SIGSTOP
    mirror_bytes: int = MIRROR_BYTES


ROWS = (
    Row("healthy", "healthy"),
    Row("never answers", "silent"),
    Row("never answers, deadline 20 s", "silent", deadline=20),
    Row("answers after 10 s", "late", deadline=20),
    Row("resets", "resets"),
    Row("refuses connections", "nowhere"),
    Row("refuses streams", "refuses"),
    Row("reads nothing (window 0)", "unread", request=64 * 1024),
    Row("reads nothing, deadline 20 s", "unread", request=64 * 1024, deadline=20),
    Row("stopped by SIGSTOP", "healthy", stopped=True),
    Row("answers without end", "endless"),
    Row("answers 1 GB", "gigabyte"),
)


@dataclass
class Turns:
    """What callers of one sidecar saw: a list of seconds per turn."""

    latencies: list[list[float]] = field(default_factory=list)
    errors: collections.Counter[str] = field(default_factory=collections.Counter)

    def quantile(self, turn: int, share: float) -> float:
        ordered = sorted(self.latencies[turn])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def load(channel: grpc.aio.Channel, request: bytes, rate: float, seconds: float, turns: Turns) -> None:
    """One turn: an open loop."""
    latencies: list[float] = []

    async def one(due: float) -> None:
        try:
            await channel.unary_unary(METHOD)(request, timeout=10)
        except grpc.aio.AioRpcError as error:
            turns.errors[f"{error.code().name}: {(error.details() or '')[:50]}"] += 1
        else:
            latencies.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as tasks:
        due = time.perf_counter()
        for _ in range(int(rate * seconds)):
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due))
    turns.latencies.append(latencies)


async def sidecar(stack: contextlib.ExitStack, engine: str, model: str, shadow: str, row: Row) -> Process:
    """One before the model; it mirrors to the shadow, where there is an address."""
    variants = [{"name": "v1", "target": model}]
    route: dict[str, object] = {"name": "all", "match": {"methods": ["*"]}, "split": {"weights": {"v1": 1}}}
    if shadow:
        variants.append({"name": "v2", "target": shadow})
        route["mirrors"] = [
            {"variant": "v2", "percent": 100, "deadline": f"{row.deadline:g}s", "max_bytes": "64MiB"}
        ]
    document = {
        "kind": "Sidecar",
        **dict.fromkeys(("listen", "admin", "status"), "127.0.0.1:0"),
        "engine": engine,
        "limits": {"mirror_bytes": row.mirror_bytes},
        "service": {"name": "echo", "variants": variants, "routes": [route]},
    }
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    file = pathlib.Path(folder) / "sidecar.yaml"
    file.write_text(json.dumps(document))
    command = ("-c", "from understudy.cli import main; main()", "proxy", "--config", str(file))
    process = await start(stack, *command, "--log-level", "error")
    if shadow:
        return process  # it is ready as soon as it listens; its shadow may never be
    await process.until_ready()
    return process


def peak(process: Process) -> int:
    """Bytes of memory that it held at most."""
    status = pathlib.Path(f"/proc/{process.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def counted(process: Process) -> tuple[int, collections.Counter[str]]:
    """Copies that were due, and what became of them."""
    with urllib.request.urlopen(f"http://{process.status}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    seen, outcomes = 0, collections.Counter[str]()
    for kind, labels, value in SAMPLE.findall(text):
        if kind == "_seen":
            seen += int(value)
        else:
            found = re.search(r'outcome="(\w+)"', labels)
            assert found is not None
            outcomes[found[1]] += int(value)
    return seen, +outcomes


async def settled(process: Process, within: float) -> tuple[int, collections.Counter[str]]:
    """The same once no copy is under way any more, or when that took too long."""
    until = time.monotonic() + within
    while True:
        seen, outcomes = counted(process)
        if seen == outcomes.total() or time.monotonic() > until:
            return seen, outcomes
        await asyncio.sleep(0.1)


async def measure(row: Row, options: argparse.Namespace) -> bool:
    """Print the row; whether all its bars hold."""
    with contextlib.ExitStack() as stack:
        model = await start(stack, "-m", "benchmarks.broken_shadows", "healthy")
        shadow = await start(stack, "-m", "benchmarks.broken_shadows", row.shadow)
        plain = await sidecar(stack, options.engine, model.data, "", row)
        mirroring = await sidecar(stack, options.engine, model.data, shadow.data, row)
        request = os.urandom(row.request)
        without, with_mirror = Turns(), Turns()
        async with (
            grpc.aio.insecure_channel(plain.data, options=OPTIONS) as one,
            grpc.aio.insecure_channel(mirroring.data, options=OPTIONS) as other,
        ):
            for channel in (one, other):
                await load(channel, request, options.rate, 1.0, Turns())
            if row.stopped:
                shadow.process.send_signal(signal.SIGSTOP)
            gc.collect()
            gc.freeze()
            for pair in range(options.pairs):
                turns = [(one, without), (other, with_mirror)]
                for channel, seen_there in turns if pair % 2 == 0 else turns[::-1]:
                    await load(channel, request, options.rate, options.seconds, seen_there)
        seen, outcomes = await settled(mirroring, row.deadline + 5)
        memory = peak(mirroring) - peak(plain)
        if row.stopped:
            shadow.process.send_signal(signal.SIGCONT)
    p50, p99 = (
        statistics.median(
            with_mirror.quantile(turn, share) / without.quantile(turn, share) for turn in range(options.pairs)
        )
        for share in (0.50, 0.99)
    )
    errors = with_mirror.errors.total()
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    holds = p50 <= 1.10 and p99 <= 1.25 and not errors and memory <= ALLOWED and seen == outcomes.total()
    print(
        f"| {row.name:<28} | {p50:.2f} | {p99:.2f} | {errors} | {memory / MIB:+.0f} MiB "
        f"| {seen} | {seen - outcomes.total()} | {told} |{'' if holds else ' **no**'}",
        flush=True,
    )
    for kind, count in (without.errors + with_mirror.errors).most_common():
        print(f"{count} {kind}", file=sys.stderr)
    return holds


async def mirror_large(options: argparse.Namespace) -> bool:
    """Tensors of 10 MB are copied, not skipped; with both answers each holds three times as much."""
    row = Row(LARGE_ROW, "healthy", deadline=10, mirror_bytes=64 * MIB)
    with contextlib.ExitStack() as stack:
        model = await start(stack, "-m", "benchmarks.broken_shadows", "healthy")
        shadow = await start(stack, "-m", "benchmarks.broken_shadows", "healthy")
        process = await sidecar(stack, options.engine, model.data, shadow.data, row)
        large = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), *OPTIONS)
        async with grpc.aio.insecure_channel(process.data, options=large) as channel:
            for _ in range(20):
                await channel.unary_unary(METHOD)(os.urandom(LARGE), timeout=30)
                await settled(process, 10)
        seen, outcomes = counted(process)
        memory = peak(process) / MIB
    print(f"\n{row.name}: {seen} calls, copies: {dict(outcomes)}; the sidecar held {memory:.0f} MiB at most")
    return outcomes == {"match": seen}


async def main(options: argparse.Namespace) -> bool:
    print(
        f"{options.engine}; {options.pairs} pairs of {options.seconds:g} s at {options.rate:g} calls/s; "
        f"mirror_bytes {MIRROR_BYTES // MIB} MiB, memory allowed {ALLOWED // MIB} MiB"
    )
    print("| shadow | p50 ≤ 1.10 | p99 ≤ 1.25 | errors | memory | copies due | lost count | outcomes |")
    print("|---|---|---|---|---|---|---|---|")
    held = [await measure(row, options) for row in ROWS if not options.row or row.name in options.row]
    if not options.row or LARGE_ROW in options.row:
        held.append(await mirror_large(options))
    return all(held)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="grpc-aio")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a turn")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second")
    parser.add_argument("--row", action="append", help="this row alone; may be said again")
    sys.exit(0 if uvloop.run(main(parser.parse_args())) else 1)
