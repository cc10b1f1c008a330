"""A reconciler over a real store, its clock, its sidecars and its operators, one happening at a time.

It dies and comes back over the same file. Time is what the tests say; sidecars take what is put up as the
real ones do, and keep what they have while the control service is away.
"""

import asyncio
import atexit
import contextlib
import pathlib
import random
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, TypeVar

from understudy.v1 import rollouts_pb2, service_pb2, telemetry_pb2

from control.delivery.board import Board
from control.delivery.fleet import Answer, Fleet, Sidecar
from control.delivery.leadership import Leadership
from control.external.reader import Reader
from control.reconciler import Reconciler
from control.refusals import NotNow, NotThere
from control.rollout.decisions import Command
from control.rollout.model import Settings
from control.rollout.traffic import stable_of
from control.signals import Changes
from control.store.errors import StoreRefused
from control.store.records import StoredRollout
from control.store.store import Store, open_store
from control.surroundings import Surroundings
from control.times import to_timestamp
from tests.support.fake_sidecar import live
from tests.support.rollouts import make_rollout, make_service
from tests.support.stores import opened

T = TypeVar("T")

BAKE = 30.0
STAGES = [
    {"percent": percent, "bake": f"{BAKE:.0f}s", "require": ["error_rate <= 5%"]} for percent in (10, 50)
] + [{"percent": 100}]
NEVER = 1e9  # seconds between two looks of its own: looks are the test's


@dataclass
class HandClock:
    """Two clocks; the wall's can jump, and is not what stages are timed by."""

    running: float = 1000.0
    offset: float = 1_790_000_000.0

    def monotonic(self) -> float:
        return self.running

    def wall(self) -> float:
        return self.running + self.offset


@cache
def _empty_store() -> pathlib.Path:
    """A store with its schema and the service, made once."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="world-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)

    async def make() -> None:
        async with opened(directory) as store:
            await store.services.apply(make_service(), 1.0, expected=0)

    asyncio.run(make())
    return directory / "understudy.db"


@dataclass
class Node:
    """A sidecar, that outlives the control service."""

    name: str
    in_force: tuple[int, int] = (0, 0)
    sequence: int = 0
    sidecar: Sidecar | None = None
    held: list[telemetry_pb2.TelemetryReportRequest] = field(default_factory=list)


class World:
    """One service, its control service and its sidecars."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.place = tempfile.TemporaryDirectory()
        shutil.copy(_empty_store(), self.place.name)
        self.clock = HandClock()
        self.nodes = [Node("a"), Node("b"), Node("c")]
        self.kept: set[tuple[str, int]] = set()  # reports that were answered
        self.baked = 0.0  # seconds by the running clock, over all lives
        self.begin()

    def begin(self) -> None:
        """Start the control service."""
        self._stop, up = asyncio.Event(), asyncio.Event()
        self._life = self.loop.create_task(self._live(up))
        self.run(up.wait())
        self.run(self._tick())

    def crash(self) -> None:
        """End it in the middle of whatever it does; sidecars keep what they have."""
        self._life.cancel()
        self.run(asyncio.wait([self._life]))
        for node in self.nodes:
            node.sidecar = None
        self.clock.running = random.Random(self.baked).uniform(0, 1e6)  # noqa: S311 - the same again
        self.begin()

    def close(self) -> None:
        self._life.cancel()
        self.run(asyncio.wait([self._life]))
        self.loop.close()
        self.place.cleanup()

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(what)

    async def _live(self, up: asyncio.Event) -> None:
        store: Store | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                store = await open_store(f"sqlite:///{self.place.name}/understudy.db", tasks)
                visible, posted = Changes(), Changes()
                self.store, self.fleet, self.board = store, Fleet(visible), Board(await store.next_epoch())
                self.board.put_up(await store.services.every())
                reader = Reader(store.evidence, self.clock)
                around = Surroundings(
                    store,
                    self.board,
                    self.fleet,
                    self.clock,
                    Settings(),
                    (),
                    visible,
                    posted,
                    reader,
                    Leadership(store, self.board, self.fleet, visible),
                )
                self.reconciler = Reconciler(around, tasks, NEVER)
                await self.reconciler.begin()
                up.set()
                await self._stop.wait()
        finally:
            if store is not None:
                await store.close()

    def start(self, *, supersede: bool, gate: str) -> None:
        candidate = "v1" if stable_of(self.service()[1]) == "v2" else "v2"
        stages = {"stages": STAGES}
        rollout = make_rollout(candidate=candidate, progressive=stages, gate=gate, min_calls=50)
        self.run(_asked(lambda: self.reconciler.start(rollout, supersede=supersede)))
        self.run(self._tick())

    def tick(self, seconds: float) -> None:
        self.clock.running += seconds
        self.baked += seconds
        self.run(self._tick())

    def command(self, *asked: Command) -> None:
        """One, or several at once, in the midst of a look."""
        newest = self.rollouts()[:1]

        async def ask() -> None:
            async with asyncio.TaskGroup() as tasks:
                for one in asked:
                    tasks.create_task(_asked(partial(self.reconciler.command, newest[0].name, one)))
                tasks.create_task(self._tick())

        if newest:
            self.run(ask())
            self.run(self._tick())

    def cut_short(self, asked: Command, turns: int) -> None:
        """A command and a look, and the end of the process so many turns of its loop later."""
        newest = self.rollouts()[:1]

        async def ask() -> None:
            async with asyncio.TaskGroup() as tasks:
                doing = [tasks.create_task(self._tick())]
                if newest:
                    doing.append(
                        tasks.create_task(_asked(partial(self.reconciler.command, newest[0].name, asked)))
                    )
                for _ in range(turns):
                    await asyncio.sleep(0)
                for task in doing:
                    task.cancel()

        self.clock.running += BAKE
        self.baked += BAKE
        self.run(ask())
        self.crash()

    async def _tick(self) -> None:
        """A look at each; one that the reconciler just began to follow has its first look before."""
        await asyncio.sleep(0)
        for stored in await self.store.rollouts.active():
            if course := self.reconciler.course(stored.name):
                await _asked(course.tick)

    def join(self, node: Node) -> None:
        if node.sidecar is None:
            node.sidecar = self.fleet.connect("fraud", node.name, "boot", node.in_force, self.clock.wall())

    def leave(self, node: Node) -> None:
        if node.sidecar is not None:
            self.fleet.disconnect(node.sidecar)
            node.sidecar = None

    def take(self, node: Node) -> None:
        """What is up comes into force there, if it is newer."""
        snapshot = self.board.newest("fraud")
        if node.sidecar is not None and snapshot is not None:
            offered = (snapshot.epoch, snapshot.version)
            assert offered >= node.in_force, "the control service fell behind its sidecars"
            node.in_force = node.sidecar.in_force = offered
            node.sidecar.answer = Answer.ACK

    def see(self, node: Node, calls: int, errors: int, *, held: bool) -> None:
        """A report of calls under what is in force there; held back, it comes later."""
        node.sequence += 1
        entries = [live("v1", calls), live("v2", calls, errors)]
        for entry in entries:
            entry.epoch, entry.version = node.in_force
        report = telemetry_pb2.TelemetryReportRequest(
            node=node.name,
            boot_id="boot",
            sequence=node.sequence,
            service="fraud",
            window_start=to_timestamp(node.sequence),
            window_end=to_timestamp(node.sequence + 1),
            evidence=entries,
        )
        node.held.append(report)
        if not held:
            self.report(report)

    def report(self, report: telemetry_pb2.TelemetryReportRequest) -> None:
        key = (report.node, report.sequence)
        is_new = self.run(self.store.evidence.take(report, self.clock.wall()))
        assert is_new == (key not in self.kept)
        self.kept.add(key)

    def rollouts(self) -> list[StoredRollout]:
        """Newest first."""
        return self.run(self.store.rollouts.every())

    def audit(self, name: str) -> list[rollouts_pb2.Transition]:
        return self.run(self.store.rollouts.transitions(name))

    def service(self) -> tuple[service_pb2.Service, service_pb2.Service, int, str]:
        """In force, as applied, its version and whose it is."""
        stored = self.run(self.store.services.find("fraud"))
        assert stored is not None
        return stored.in_force, stored.base, stored.version, stored.rollout


async def _asked(do: Callable[[], Awaitable[Any]]) -> None:
    """What cannot be done now is not."""
    with contextlib.suppress(NotNow, NotThere, StoreRefused):
        await do()
