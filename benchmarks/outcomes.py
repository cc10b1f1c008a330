"""Outcomes: how many a second the control service keeps, and what one costs on the disk.

    python -m benchmarks.outcomes [COUNT]

The real process, real gRPC, `synchronous=FULL`: an answer means that the outcomes are on the disk. Of each
size of a request, COUNT outcomes of as many calls; then the same once more, all of them duplicates.
"""

import asyncio
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator

import grpc
import uvloop
from understudy.tickets import Ticket, encode
from understudy.v1 import outcomes_pb2, outcomes_pb2_grpc, services_pb2, services_pb2_grpc

from tests.support.processes import control_process
from tests.support.rollouts import make_service

COUNT = 20_000
SIZES = (1, 100, 2_000, 10_000)
AT_ONCE = 4
"""Requests under way at a time."""

OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1))


def made(first: int, count: int) -> list[outcomes_pb2.Outcome]:
    now = int(time.time() * 1000) - 3_600_000
    tickets = (
        encode(Ticket("fraud", "predict", "v1", "1.0.0", 1, 1, now + number, f"{number:016x}", number % 64))
        for number in range(first, first + count)
    )
    return [outcomes_pb2.Outcome(ticket=one, correct=True) for one in tickets]


def in_parts(outcomes: list[outcomes_pb2.Outcome], size: int) -> Iterator[outcomes_pb2.OutcomesReportRequest]:
    for start in range(0, len(outcomes), size):
        yield outcomes_pb2.OutcomesReportRequest(outcomes=outcomes[start : start + size])


async def reported(stub: outcomes_pb2_grpc.OutcomesStub, requests: Iterator[object]) -> tuple[float, float]:
    """Seconds in all, and of the slowest request."""
    slowest = 0.0

    async def report() -> None:
        nonlocal slowest
        for request in requests:
            begun = time.perf_counter()
            await stub.Report(request, timeout=120)
            slowest = max(slowest, time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(report())
    return time.perf_counter() - begun, slowest


def bytes_of(directory: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("understudy.db*"))


async def main(count: int) -> None:
    print("| outcomes in a request | kept a second | slowest request | again, a second | bytes each |")
    print("|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        async with (
            control_process(place, place / "control.err") as control,
            grpc.aio.insecure_channel(control.address, OPTIONS) as channel,
        ):
            services = services_pb2_grpc.ServicesStub(channel)
            await services.Apply(services_pb2.ApplyRequest(service=make_service()))
            stub = outcomes_pb2_grpc.OutcomesStub(channel)
            first = 0
            for size in SIZES:
                asked = min(count, 500 * size)
                outcomes, before = made(first, asked), bytes_of(place)
                first += asked
                took, slowest = await reported(stub, in_parts(outcomes, size))
                disk = (bytes_of(place) - before) / asked
                again, _ = await reported(stub, in_parts(outcomes, size))
                row = f"{asked / took:,.0f} | {slowest * 1e3:.0f} ms | {asked / again:,.0f} | {disk:.0f}"
                print(f"| {size} | {row} |", flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
