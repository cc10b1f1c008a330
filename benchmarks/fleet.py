"""One control service and its whole fleet: how soon a push is in force everywhere, what reports cost it, and
how soon all sidecars are back after a restart.

The sidecars are simulated, their streams are not: each has a connection of its own and runs the sidecar's own
subscription over it. The control service has one core for itself, the fleet the other.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import uvloop
from understudy.v1 import (
    rollout_pb2,
    rollouts_pb2,
    rollouts_pb2_grpc,
    service_pb2,
    services_pb2,
    services_pb2_grpc,
    telemetry_pb2,
    telemetry_pb2_grpc,
)

from proxy.config.subscription import CHANNEL_OPTIONS, Subscription
from proxy.policy.table import Table

OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
CODES = {"OK": 95, "UNAVAILABLE": 5}
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 120.0


class Sidecar:
    """One of the fleet: what it runs, and since when."""

    def __init__(self, address: str, number: int) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS + OWN_CONNECTION)
        self.node = f"node-{number}"
        self.table: Table | None = None
        self.in_force_since: dict[tuple[int, int], float] = {}
        self.reports = 0
        self.refused = 0
        self.subscription = Subscription(
            self.channel,
            service="fraud",
            node=self.node,
            boot_id=f"boot-{self.node}",
            in_force=lambda: self.table,
            apply=self._apply,
        )

    async def _apply(self, table: Table) -> None:
        self.table = table
        self.in_force_since[table.epoch, table.version] = time.monotonic()

    async def report(self, every: float, after: float) -> None:
        """What a sidecar with traffic to two variants says, for ever."""
        stub = telemetry_pb2_grpc.TelemetryStub(self.channel)
        await asyncio.sleep(after)
        due = time.monotonic()
        while True:
            due += every
            try:
                await stub.Report(self._report(), timeout=10)
                self.reports += 1
            except grpc.aio.AioRpcError:
                self.refused += 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def say_live(self) -> None:
        """Both variants answer."""
        await telemetry_pb2_grpc.TelemetryStub(self.channel).Report(self._report(), timeout=60)
        self.reports += 1

    def _report(self) -> telemetry_pb2.TelemetryReportRequest:
        report = telemetry_pb2.TelemetryReportRequest(
            node=self.node,
            boot_id=f"boot-{self.node}",
            sequence=self.reports + self.refused + 1,
            service="fraud",
        )
        report.window_end.GetCurrentTime()
        report.window_start.FromNanoseconds(report.window_end.ToNanoseconds() - 2 * 10**9)
        table = self.table
        for variant in ("v1", "v2"):
            row = report.evidence.add(route="predict", variant=variant, codes=CODES)
            row.epoch, row.version = (table.epoch, table.version) if table else (0, 0)
            row.latency.scale, row.latency.offset = 5, -220
            row.latency.bucket_counts.extend([2] * 50)
            row.latency.count, row.latency.sum = 100, 1.0
            report.variants.add(variant=variant, live=True)
        return report


def service(weight: float) -> service_pb2.Service:
    """A service of two variants; `weight` is what changes from push to push."""
    return service_pb2.Service(
        name="fraud",
        stable="v1",
        variants=[
            service_pb2.Variant(name="v1", target="127.0.0.1:8001", version="1"),
            service_pb2.Variant(name="v2", target="127.0.0.1:8002", version="2"),
        ],
        routes=[
            service_pb2.Route(
                name="predict", split=service_pb2.Split(weights={"v1": 100 - weight, "v2": weight})
            )
        ],
    )


def rollout(stages: int, bake: int) -> rollout_pb2.Rollout:
    """Stages that end by time alone, so that their lengths tell how late the reconciler looks."""
    made = rollout_pb2.Rollout(name="clock", service="fraud", candidate="v2", route="predict")
    for number in range(stages):
        stage = made.progressive.stages.add(name=f"s{number}", percent=number + 1)
        stage.bake.seconds = bake
    made.min_calls = 1
    return made


class Control:
    """The control service, in a process of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._listen = "127.0.0.1:0"
        self.process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        command = [sys.executable, "-c", "from understudy.cli import main; main()", "control"]
        options = ["--store", f"sqlite:///{self._folder}/fleet.db", "--listen", self._listen]
        with (self._folder / "control.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, *options, "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        self.address = self._listen = json.loads(self.process.stdout.readline())["listening"]["grpc"]
        os.sched_setaffinity(self.process.pid, {0})
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {0})

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def megabytes(self) -> float:
        assert self.process is not None
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def cpu(self) -> float:
        assert self.process is not None
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


class Bench:
    """A control service with `size` sidecars."""

    def __init__(self, control: Control, size: int, tasks: asyncio.TaskGroup) -> None:
        self.control = control
        self.fleet = [Sidecar(control.address, number) for number in range(size)]
        self._own = [tasks.create_task(one.subscription.run()) for one in self.fleet]
        self._tasks = tasks
        self._channel = grpc.aio.insecure_channel(control.address, options=CHANNEL_OPTIONS)
        self._services = services_pb2_grpc.ServicesStub(self._channel)
        self._rollouts = rollouts_pb2_grpc.RolloutsStub(self._channel)

    async def close(self) -> None:
        for task in self._own:
            task.cancel()
        for one in self.fleet:
            await one.channel.close()
        await self._channel.close()

    async def push(self, weight: float) -> list[float]:
        """Change the weights: seconds from the command until each sidecar had them in force."""
        started = time.monotonic()
        answer = await self._services.Apply(services_pb2.ApplyRequest(service=service(weight)))
        return await self._everywhere((answer.service.epoch, answer.service.version), started)

    async def switch(self, variant: str) -> list[float]:
        """`switch`, as an operator gives it."""
        started = time.monotonic()
        answer = await self._services.Switch(services_pb2.SwitchRequest(service="fraud", variant=variant))
        return await self._everywhere((answer.epoch, answer.version), started)

    async def _everywhere(self, at: tuple[int, int], started: float) -> list[float]:
        await self._until(lambda: all(at in one.in_force_since for one in self.fleet))
        await self._acked(at)
        return [one.in_force_since[at] - started for one in self.fleet]

    async def _acked(self, at: tuple[int, int]) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self._services.ListSidecars(services_pb2.ListSidecarsRequest(service="fraud"))
                if all((one.epoch, one.version) == at for one in answer.sidecars if one.connected):
                    return
                await asyncio.sleep(0.05)

    async def connected(self) -> float:
        """Seconds until every sidecar has its stream."""
        started = time.monotonic()
        await self._until(lambda: all(one.subscription.connected for one in self.fleet))
        return time.monotonic() - started

    async def lost(self) -> None:
        """Wait until no sidecar has its stream any more."""
        await self._until(lambda: not any(one.subscription.connected for one in self.fleet))

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():  # noqa: ASYNC110  # the subscriptions tell nobody
                await asyncio.sleep(0.005)

    def report(self, a_second: float) -> None:
        """Have the fleet report, spread evenly."""
        every = len(self.fleet) / a_second
        self._own += [
            self._tasks.create_task(one.report(every, every * number / len(self.fleet)))
            for number, one in enumerate(self.fleet)
        ]

    async def stages(self, count: int, bake: int) -> list[float]:
        """How much longer than its bake each stage of a rollout took."""
        await self._rollouts.Start(rollouts_pb2.StartRequest(rollout=rollout(count, bake)))
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await self._rollouts.Explain(rollouts_pb2.ExplainRequest(name="clock"))
                entered = [one.time.ToNanoseconds() / 1e9 for one in answer.transitions]
                if len(entered) > count:
                    pairs = itertools.pairwise(entered)
                    return [later - earlier - bake for earlier, later in pairs][:count]
                await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def bench(size: int) -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        control = Control(pathlib.Path(folder))
        control.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                made = Bench(control, size, tasks)
                yield made
                await made.close()
        finally:
            control.kill()


async def pushes(size: int, rounds: int) -> None:
    async with bench(size) as made:
        first = await made.connected()
        await made.push(0)
        for one in made.fleet:
            await one.say_live()
        idle = made.control.megabytes()
        _row(f"{size} sidecars connected, s", first)
        await _print_times(f"push in force at {size}", rounds, lambda number: made.push(number % 90 + 1))
        await _print_times(
            f"switch in force at {size}", rounds, lambda number: made.switch(f"v{(number + 1) % 2 + 1}")
        )
        _row("memory of the control service, MB", idle, 0)


def _row(name: str, value: float, digits: int = 2) -> None:
    print(f"| {name:<52} | {value:8.{digits}f} |")


async def _print_times(name: str, rounds: int, act: Callable[[int], Awaitable[list[float]]]) -> None:
    lasts: list[float] = []
    every: list[float] = []
    for number in range(rounds):
        took = await act(number)
        every += took
        lasts.append(max(took))
    every.sort()
    p99 = every[int(len(every) * 0.99)]
    _row(f"{name}: p50, s", statistics.median(every), 3)
    _row(f"{name}: p99, s", p99, 3)
    _row(f"{name}: the last, median of {rounds}, s", statistics.median(lasts), 3)


async def reports(size: int, a_second: float, seconds: float) -> None:
    async with bench(size) as made:
        await made.push(0)
        await made.connected()
        made.report(a_second)
        await asyncio.sleep(2 * size / a_second)
        before, cpu, started = _sent(made), made.control.cpu(), time.monotonic()
        late = await made.stages(int(seconds / 3), 3)
        took = time.monotonic() - started
        rate = (_sent(made) - before) / took
        _row("reports a second asked", a_second, 0)
        _row("reports a second kept", rate, 0)
        _row("refused", sum(one.refused for one in made.fleet), 0)
        _row("control's core in use, %", (made.control.cpu() - cpu) / took * 100, 0)
        _row("stages of 3 s took longer by, median, s", statistics.median(late))
        _row("stages of 3 s took longer by, most, s", max(late))
        _row("memory of the control service, MB", made.control.megabytes(), 0)


def _sent(made: Bench) -> int:
    return sum(one.reports for one in made.fleet)


async def restarts(size: int, rounds: int) -> None:
    async with bench(size) as made:
        await made.push(0)
        await made.connected()
        took = []
        for _ in range(rounds):
            made.control.kill()
            await made.lost()
            made.control.start()
            took.append(await made.connected())
        _row(f"all {size} back after SIGKILL and restart, s: median", statistics.median(took))
        _row(f"all {size} back after SIGKILL and restart, s: most", max(took))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=["pushes", "reports", "restarts"])
    parser.add_argument("--sidecars", type=int, default=1000)
    parser.add_argument("--reports", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    parts = {
        "pushes": lambda: pushes(asked.sidecars, asked.rounds),
        "reports": lambda: reports(asked.sidecars, asked.reports, asked.seconds),
        "restarts": lambda: restarts(asked.sidecars, 3),
    }
    for name, part in parts.items():
        if asked.part in (None, name):
            print(
                f"|                                                   |          |\n|{'-' * 51}|---------:|"
            )
            uvloop.run(part())


if __name__ == "__main__":
    main()
