"""The views on a running control service: what is stored, with what is seen right now."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from understudy.v1 import rollouts_pb2, services_pb2, telemetry_pb2

from control.clock import Clock
from control.delivery.board import Board
from control.delivery.fleet import Fleet, Snapshot
from control.delivery.leadership import Leadership
from control.delivery.recent import Recent
from control.reconciler import Reconciler
from control.rollout.model import Plan
from control.rollout.strategies import InvalidRollout, compile_rollout
from control.signals import Changes
from control.status.rollouts import Sight, foreign_status, rollout_status, worth_showing
from control.status.services import service_status
from control.status.shadows import shadow_report
from control.status.sidecars import sidecar_status
from control.store.records import StoredRollout, StoredStage
from control.store.services import StoredService
from control.store.store import Store

AT_MOST_EVERY = 1.0
"""Seconds between two updates."""

AT_LEAST_EVERY = 5.0
"""Seconds: the figures of the last minute change without anything happening."""


class LiveViews:
    """Implements `control.views.Views`."""

    def __init__(
        self,
        store: Store,
        board: Board,
        fleet: Fleet,
        leadership: Leadership,
        recent: Recent,
        reconciler: Reconciler,
        clock: Clock,
        visible: Changes,
        trace_url: str = "",
    ) -> None:
        self._store = store
        self._board = board
        self._fleet = fleet
        self._leadership = leadership
        self._recent = recent
        self._reconciler = reconciler
        self._clock = clock
        self._visible = visible
        self._trace_url = trace_url
        self._stopping = False
        self._ended: dict[str, _Past] = {}

    def stop(self) -> None:
        """End every iteration over updates."""
        self._stopping = True
        self._visible.announce()

    async def services(self) -> list[services_pb2.ServiceStatus]:
        """Every service as it is in force now, by name."""
        return [await self._service_status(stored) for stored in await self._store.services.every()]

    async def service(self, name: str) -> services_pb2.ServiceStatus | None:
        """One of them."""
        stored = await self._store.services.find(name)
        return await self._service_status(stored) if stored else None

    async def rollouts(self, service: str = "") -> list[rollouts_pb2.RolloutStatus]:
        """Every rollout, newest first; only those of `service` where it is given."""
        every = await self._store.rollouts.every(service)
        if not service:
            there = {stored.name for stored in every}
            self._ended = {name: past for name, past in self._ended.items() if name in there}
        return [await self._rollout_status(stored) for stored in every]

    async def rollout(self, name: str) -> rollouts_pb2.RolloutStatus | None:
        """One of them."""
        stored = await self._store.rollouts.find(name)
        return await self._rollout_status(stored) if stored else None

    async def transitions(self, rollout: str) -> list[rollouts_pb2.Transition]:
        """Every step of a rollout, oldest first."""
        return await self._store.rollouts.transitions(rollout)

    async def sidecars(self, service: str = "") -> list[services_pb2.SidecarStatus]:
        """Every sidecar that is connected or was, by service, then node."""
        return [sidecar_status(sidecar) for sidecar in self._fleet.of(service)]

    async def shadows(self, service: str, mismatches: int) -> services_pb2.ShadowReportResponse:
        """What comparing its shadows found, with so many of the newest mismatches."""
        kept = self._store.comparisons
        return shadow_report(await kept.figures(service), await kept.mismatches(service, mismatches))

    def trouble(self) -> str:
        """What keeps the store from being written, or from being followed, now; empty: nothing does."""
        return self._store.trouble or self._leadership.trouble()

    async def updates(self) -> AsyncIterator[None]:
        """One item at once, then one after every change, at most one a second; ends with the process."""
        while not self._stopping:
            seen = self._visible.count
            yield
            await asyncio.sleep(AT_MOST_EVERY)
            try:
                async with asyncio.timeout(AT_LEAST_EVERY):
                    await self._visible.after(seen)
            except TimeoutError:
                continue

    async def _service_status(self, stored: StoredService) -> services_pb2.ServiceStatus:
        return service_status(
            stored,
            await self._store.services.deployed_at(stored.name),
            self._fleet.connected(stored.name),
            self._recent,
            self._board.epoch,
            self._clock.monotonic(),
        )

    async def _rollout_status(self, stored: StoredRollout) -> rollouts_pb2.RolloutStatus:
        course = self._reconciler.course(stored.name)
        if course is not None and not course.is_over:
            stored, sight = course.standing(), course.sight()
            past: _Past | str = await self._read(stored, course.plan)
        else:
            past, sight = await self._past(stored), Sight()
        if isinstance(past, str):
            return foreign_status(stored, past)
        connected, epoch = self._fleet.connected(stored.service), self._board.epoch
        status = rollout_status(stored, past.plan, past.stages, sight, past.pushed, connected, epoch)
        status.trace_url = self._trace_url
        status.exemplars.extend(past.exemplars)
        return status

    async def _past(self, stored: StoredRollout) -> "_Past | str":
        """What is stored of a rollout that nobody carries out, read once after its end; or why not."""
        kept = self._ended.get(stored.name)
        if kept is not None and kept.version == stored.version:
            return kept
        try:
            plan = compile_rollout(stored.message, stored.base, stored.name)
        except InvalidRollout as error:
            return str(error)
        past = await self._read(stored, plan)
        if stored.state.phase.is_final:
            self._ended[stored.name] = past
        return past

    async def _read(self, stored: StoredRollout, plan: Plan) -> "_Past":
        stages = await self._store.rollouts.stages(stored.name)
        found: list[telemetry_pb2.Exemplar] = []
        if stages:
            since, until = stages[-1].started_at, stages[-1].ended_at
            found = await self._store.evidence.exemplars(stored.service, since, until)
        pushed = await self._store.rollouts.last_push(stored.name)
        return _Past(stored.version, plan, stages, pushed, worth_showing(found, plan))


@dataclass(frozen=True, slots=True)
class _Past:
    """What is stored of a rollout, as of a version of it."""

    version: int
    plan: Plan
    stages: list[StoredStage]
    pushed: Snapshot
    exemplars: list[telemetry_pb2.Exemplar]
