"""Rollouts of candidates that die: real sidecars, model servers and control service, and what became of each.

A lane is one service with its sidecar, its stable model server and its callers; it sees one rollout after
another. What a rollout may still do after its candidate's death is read from its audit alone.
"""

import asyncio
import contextlib
import pathlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from understudy.v1 import rollouts_pb2, rollouts_pb2_grpc, services_pb2, services_pb2_grpc

from tests.support.callers import caller
from tests.support.model_process import ModelProcess, model_process
from tests.support.plane import until
from tests.support.processes import proxy, sidecar_file
from tests.support.rollouts import make_rollout, make_service

PREDICT = "/understudy.v1.PredictionService/Predict"
KINDS = ("killed", "stopped", "never up")
REQUIRE = ["error_rate <= 10%"]
ALLOWED = 0.1
CANARY = {
    "initial_percent": 30,
    "increment_percent": 30,
    "interval": "5s",
    "max_percent": 60,
    "require": REQUIRE,
}
STAGES = [
    {"name": "shadow", "mirror_percent": 100, "bake": "2s", "require": REQUIRE},
    {"name": "part", "percent": 30, "bake": "3s", "require": REQUIRE},
    {"name": "most", "percent": 60, "bake": "3s", "require": REQUIRE},
    {"name": "full", "percent": 100, "bake": "3s", "require": REQUIRE},
]
STRATEGIES: dict[str, dict[str, Any]] = {"canary": CANARY, "progressive": {"stages": STAGES}}
LATEST_FAULT = 5.5  # seconds after the start: a healthy candidate needs more than NEWS longer to be promoted
CALLS_A_SECOND = 50
CALL_DEADLINE = 1.0  # a call to a stopped process is an error no sooner
NEWS = 3.0  # seconds until the control service must have heard of it: deadline, report, look
HELD_FOR = 12.0  # seconds without news after which a rollout counts as held
NOBODY = "127.0.0.1:1"
FINAL = ("Succeeded", "RolledBack", "Aborted")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rollout: when its candidate died, and what its audit says after that."""

    kind: str
    strategy: str
    died_after: float  # seconds from the rollout's start
    end: str  # "rolled back", "paused", "held", "promoted", or "too soon": it was over before
    took: float  # seconds from the death to that end
    on_old_news: int  # stages begun on what was seen before the death
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        at = f"{self.kind} after {self.died_after:.1f} s of a {self.strategy}"
        old = f", {self.on_old_news} stage on evidence from before" if self.on_old_news else ""
        return f"{at}: {self.end} in {self.took:.1f} s{old}" + "".join(
            f"; WRONG: {one}" for one in self.wrong
        )


def wrongs(
    audit: Sequence[rollouts_pb2.Transition], died: float, news: float = NEWS
) -> tuple[int, tuple[str, ...]]:
    """Stages begun on what was seen before the death, and steps that nothing can justify."""
    on_old_news, wrong = 0, []
    for step in audit:
        late = step.time.ToNanoseconds() / 1e9 - died
        if late <= 0 or step.event not in ("stage", "succeeded"):
            continue
        errors = sum(arm.errors for arm in step.arms if arm.variant == "v2")
        if late > news:
            wrong.append(f"{step.event} {late:.1f} s after the death")
        elif errors > ALLOWED * sum(arm.calls for arm in step.arms if arm.variant == "v2"):
            wrong.append(f"{step.event} although {errors} calls had failed")
        elif step.event == "succeeded":
            wrong.append("promoted")
        else:
            on_old_news += 1
    return on_old_news, tuple(wrong)


class Lane:
    """One service under traffic, and the control service that it asks."""

    def __init__(self, name: str, channel: grpc.aio.Channel, stable: ModelProcess) -> None:
        self.name = name
        self._services = services_pb2_grpc.ServicesStub(channel)
        self._rollouts = rollouts_pb2_grpc.RolloutsStub(channel)
        self._stable = stable
        self._count = 0

    async def see(self, kind: str, strategy: str, draw: random.Random, news: float = NEWS) -> Outcome:
        """A rollout whose candidate dies at a random moment."""
        async with model_process() as candidate:
            is_up = kind != "never up"
            await self.apply(candidate.address if is_up else NOBODY)
            await self._sees("v2", is_live=is_up)
            name = await self._start(strategy)
            began = time.time()
            if is_up:
                await asyncio.sleep(draw.uniform(0.0, LATEST_FAULT))
            died = time.time()
            match kind:
                case "killed":
                    await candidate.kill()
                case "stopped":
                    candidate.stop()
            end = await self._end(name, died)
            audit = await self._audit(name)
            await self._leave(name)
        if any(step.to_phase in FINAL and step.time.ToNanoseconds() / 1e9 < died for step in audit):
            end = "too soon"
        took = audit[-1].time.ToNanoseconds() / 1e9 - died if end != "held" else HELD_FOR
        on_old_news, wrong = wrongs(audit, died, news)
        return Outcome(kind, strategy, died - began, end, took, on_old_news, wrong)

    async def apply(self, candidate: str) -> None:
        """Bring it into force everywhere: stable serves all."""
        targets = {"v1": self._stable.address, "v2": candidate}
        service = make_service(
            name=self.name,
            stable="v1",
            variants=[{"name": name, "target": target} for name, target in targets.items()],
            routes=[{"name": "predict", "split": {"weights": {"v1": 100}}}],
        )
        status = (await self._services.Apply(services_pb2.ApplyRequest(service=service))).service

        async def has_it() -> bool | None:
            request = services_pb2.ListSidecarsRequest(service=self.name)
            sidecars = (await self._services.ListSidecars(request)).sidecars
            return (bool(sidecars) and all(one.version >= status.version for one in sidecars)) or None

        await until(has_it)

    async def _sees(self, variant: str, *, is_live: bool) -> None:
        """Wait until the sidecar has said so."""

        async def look() -> bool | None:
            status = (await self._services.Get(services_pb2.ServicesGetRequest(name=self.name))).service
            return (
                any(
                    one.name == variant and one.seen_by and bool(one.live_at) is is_live
                    for one in status.variants
                )
                or None
            )

        await until(look)

    async def _start(self, strategy: str) -> str:
        self._count += 1
        name = f"{self.name}-{self._count}"
        rollout = make_rollout(
            service=self.name,
            name=name,
            route="predict",
            min_calls=20,
            mirror_deadline="1s",
            **{strategy: STRATEGIES[strategy]},
        )
        await self._rollouts.Start(rollouts_pb2.StartRequest(rollout=rollout))
        return name

    async def _end(self, name: str, died: float) -> str:
        """How it stands once it goes on no more: at its end, paused, or where it was all the while."""
        while time.time() < died + HELD_FOR:
            status = (await self._rollouts.Get(rollouts_pb2.RolloutsGetRequest(name=name))).rollout
            match status.phase:
                case "RolledBack":
                    return "rolled back"
                case "Succeeded":
                    return "promoted"
                case "Paused":
                    return "paused"
            await asyncio.sleep(0.1)
        return "held"

    async def _audit(self, name: str) -> list[rollouts_pb2.Transition]:
        return list((await self._rollouts.Explain(rollouts_pb2.ExplainRequest(name=name))).transitions)

    async def _leave(self, name: str) -> None:
        """Make room for the next one."""
        status = (await self._rollouts.Get(rollouts_pb2.RolloutsGetRequest(name=name))).rollout
        if status.phase not in FINAL:
            await self._rollouts.Abort(rollouts_pb2.AbortRequest(name=name))


@contextlib.asynccontextmanager
async def lane(
    directory: pathlib.Path, name: str, control: str, engine: str, stable: ModelProcess
) -> AsyncIterator[Lane]:
    """A service with its own sidecar process, called all the time."""
    place = directory / name
    place.mkdir()
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    file = sidecar_file(place, control=control, subscribe=name, engine=engine, report_interval="0.5s")
    async with (
        grpc.aio.insecure_channel(control, options) as channel,
        proxy(file) as sidecar,
        asyncio.TaskGroup() as tasks,
    ):
        made = Lane(name, channel, stable)
        await made.apply(NOBODY)
        await sidecar.until_ready()
        calling = tasks.create_task(_call(sidecar.listening["data"]))
        try:
            yield made
        finally:
            calling.cancel()


async def _call(address: str) -> None:
    """So many calls a second, however long they take."""
    async with caller(address) as calls, asyncio.TaskGroup() as tasks:
        while True:
            tasks.create_task(calls.unary(PREDICT, deadline=CALL_DEADLINE))
            await asyncio.sleep(1 / CALLS_A_SECOND)
