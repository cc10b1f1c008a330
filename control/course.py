"""One rollout under way: looks at the evidence, has the machine decide, writes and pushes what it decided.

tick ──▶ look (new evidence, who has the snapshot) ──▶ machine ──▶ write (one transaction) ──▶ push, tell
▲
command (an operator) ────────────────────────────────────┘    under one lock, each on what the last left
"""

import asyncio
import dataclasses
import functools

from understudy.v1 import rollout_pb2

from control.delivery.fleet import Sidecar, Snapshot
from control.external.place import Place, place_of
from control.refusals import NotNow
from control.rollout import machine
from control.rollout.accumulation import Row, entered, grown
from control.rollout.decisions import Command, Event, Refused, SetTraffic, Step
from control.rollout.inputs import Inputs
from control.rollout.model import Observation, Plan, State
from control.rollout.strategies import InvalidRollout, compile_rollout
from control.rollout.traffic import promoted
from control.rollout.verdicts import judge_all
from control.status.rollouts import Sight
from control.store.changes import Advanced, Change
from control.store.records import StoredRollout
from control.store.services import StoredService
from control.surroundings import Surroundings
from control.transitions import Standing, change_of

CONTROLLER = "controller"
START = "start"
MANY = 2000
"""Rows of evidence that are not worked through between two other things."""

KEEP_CLOCK = 1.0
"""Seconds of baking that a crash may cost at most."""


class Course:
    """One rollout, from its start (or that of this process) to its end."""

    def __init__(self, stored: StoredRollout, plan: Plan, around: Surroundings) -> None:
        self.plan = plan
        self.problem = ""
        self._stored = stored
        self._state = stored.state
        self._around = around
        self._turn = asyncio.Lock()
        self._begun: Snapshot | None = None  # that carried the first stage: where evidence begins
        self._first: Snapshot | None = None  # that carried the current one
        self._observation = Observation()
        self._arrival = stored.state.after
        self._kept_at = around.clock.monotonic()

    def __repr__(self) -> str:
        return f"<Course {self.plan.name} {self._state.phase} stage {self._state.stage}>"

    @property
    def name(self) -> str:
        return self._stored.name

    @property
    def service(self) -> str:
        """See Reader."""
        return self.plan.service

    @property
    def metrics(self) -> tuple[rollout_pb2.ExternalMetric, ...]:
        """See Reader."""
        return tuple(self._stored.message.metrics)

    def place(self, metric: str) -> Place | None:
        """See Reader."""
        return place_of(self.plan, self._state, self._first, metric)

    @property
    def is_over(self) -> bool:
        return self._state.phase.is_final

    def standing(self) -> StoredRollout:
        """As it stands, with the clock of its stage."""
        return dataclasses.replace(self._stored, state=self._state)

    def sight(self) -> Sight:
        """What is seen of the current stage, and what that says."""
        verdicts = judge_all(self.plan, self.plan.stages[self._state.stage], self._observation)
        return Sight(self._observation, verdicts, self.problem)

    async def start(self, service: StoredService, by: str = "") -> None:
        """Write a new rollout with its first stage, decided on this version of its service; `by` whom."""
        step = self._decide(now := self._around.clock.monotonic())
        if step.event is None:
            raise AssertionError("a pending rollout starts")
        change = self._change(step, step.event, START if by else CONTROLLER, now, by=by)
        store = self._around.store.rollouts
        message, base = self._stored.message, self._stored.base
        self._landed(await store.start(message, base, service.version, change), step)

    async def tick(self) -> None:
        """One look, and what follows from it."""
        async with self._turn:
            await self._look()
            step = self._decide(now := self._around.clock.monotonic())
            if step.event is None:
                await self._keep_clock(step.state)
            else:
                change = self._change(step, step.event, CONTROLLER, now)
                self._landed(await self._around.store.rollouts.advance(change), step)

    async def command(self, asked: Command, by: str = "") -> None:
        """What an operator wants; NotNow where the rollout cannot take it."""
        async with self._turn:
            await self._look()
            now = self._around.clock.monotonic()
            step = machine.command(self.plan, self._state, asked, now, self._arrival)
            if isinstance(step, Refused):
                raise NotNow(f"rollout {self.name}: {step.reason}")
            match step.event:
                case None:
                    raise AssertionError(f"command {asked} must be a transition")
                case Event.RETRIED:
                    await self._retry(step, now, by)
                case Event.UNDONE:
                    await self._undo(step, now, by)
                case event:
                    change = self._change(step, event, asked, now, by=by)
                    self._landed(await self._around.store.rollouts.advance(change), step)

    async def reload(self) -> None:
        """Go on from what is stored, not from what was thought to be."""
        async with self._turn:
            stored = await self._around.store.rollouts.find(self.name)
            if stored is not None:
                self._stored, self._state = stored, stored.state
                self._forget(stored.state.after)

    async def _look(self) -> None:
        """Read what came in since the last look."""
        if self._first is None:
            await self._find_snapshots()
        if self._first is None or self._begun is None:
            return
        rows = await self._around.store.evidence.since(
            self.plan.service, self.plan.route, first=self._begun, after=self._arrival
        )
        connected = self._around.fleet.connected(self.plan.service)
        without = [one for one in connected if not one.runs(self._first, self._around.board.epoch)]
        grow = functools.partial(
            grown,
            self.plan,
            self._observation,
            [Row(row.evidence, row.node, row.start, row.end, row.arrival) for row in rows],
            since=self._first,
            connected=len(connected),
            acked=len(connected) - len(without),
            unconfirmed=tuple(_named(sidecar) for sidecar in without),
            dead=tuple(
                f"{one.node} ({one.health[self.plan.candidate][1] or 'not live'})"
                for one in connected
                if not one.health.get(self.plan.candidate, (True, ""))[0]
            ),
        )
        # After a restart there may be hours of it; nothing else waits for that.
        self._observation = await asyncio.to_thread(grow) if len(rows) > MANY else grow()
        self._arrival = rows[-1].arrival if rows else self._arrival

    async def _find_snapshots(self) -> None:
        """Those that first carried the rollout and its current stage; None before there was any."""
        stages = await self._around.store.rollouts.stages(self.name)
        snapshots = {stage.stage: (stage.epoch, stage.version) for stage in stages}
        self._begun = min(snapshots.values(), default=None)
        self._first = snapshots.get(self._state.stage)

    def _forget(self, after: int = 0) -> None:
        """Read everything again that came after this arrival."""
        self._begun = self._first = None
        self._observation, self._arrival = Observation(), after

    def _decide(self, now: float) -> Step:
        return machine.step(self.plan, self._state, self._observation, self._around.settings, now)

    async def _keep_clock(self, state: State) -> None:
        """Nothing happened but time; write that down now and then, and anything else at once."""
        before, self._state = self._state, state
        is_news = (before.reason, before.acked) != (state.reason, state.acked)
        now = self._around.clock.monotonic()
        if is_news or now - self._kept_at >= KEEP_CLOCK:
            await self._around.store.rollouts.keep_clock(self.name, self._stored.version, state)
            self._kept_at = now
            self._around.visible.announce()

    async def _retry(self, step: Step, now: float, by: str) -> None:
        """Begin again, on the service as it is now."""
        service = await self._service()
        try:
            plan = compile_rollout(self._stored.message, service.base, self.name)
        except InvalidRollout as error:
            raise NotNow(f"rollout {self.name} does not fit the service as it is now: {error}") from None
        change = self._change(step, Event.RETRIED, Command.RETRY, now, service, by)
        self._landed(await self._around.store.rollouts.reopen(service.version, change), step)
        self.plan = plan
        self._forget()

    async def _undo(self, step: Step, now: float, by: str) -> None:
        """Go back, if nobody changed the service since."""
        service = await self._service()
        if service.base != promoted(self._stored.base, self.plan):
            raise NotNow(f"rollout {self.name}: its service was changed since; apply what you want instead")
        change = self._change(step, Event.UNDONE, Command.UNDO, now, by=by)
        self._landed(await self._around.store.rollouts.reopen(service.version, change), step)

    async def _service(self) -> StoredService:
        service = await self._around.store.services.find(self.plan.service)
        if service is None:
            raise AssertionError("a rollout's service is there: a foreign key says so")
        return service

    def _change(
        self,
        step: Step,
        event: Event,
        actor: str,
        decided_at: float,
        service: StoredService | None = None,
        by: str = "",
    ) -> Change:
        seen = self._observation
        inputs = Inputs(
            state=self._state,
            now=decided_at,
            settings=self._around.settings,
            asked=Command(actor) if actor in tuple(Command) else None,
            begun=self._begun,
            first=self._first,
            connected=seen.connected,
            acked=seen.acked,
            unconfirmed=seen.unconfirmed,
            dead=seen.dead,
            arrival=self._arrival,
        )
        return change_of(
            Standing(self.standing(), self.plan, self._first, self._observation, self._arrival),
            step,
            event,
            actor=actor,
            by=by,
            now=self._around.clock.wall(),
            epoch=self._around.board.epoch,
            notify=self._around.notify,
            rebase=service.base if service else None,
            inputs=inputs,
        )

    def _landed(self, advanced: Advanced, step: Step) -> None:
        """It is on the disk: have it in force, and tell."""
        around = self._around
        if any(isinstance(action, SetTraffic) for action in step.actions):
            self._first = (around.board.epoch, advanced.service.version)
            self._begun = self._begun or self._first
            self._observation = entered(self._observation)
        if step.state.after > self._state.after:
            self._forget(step.state.after)
        self._stored, self._state = advanced.rollout, step.state
        self._kept_at = around.clock.monotonic()
        around.board.put_up([advanced.service])
        around.posted.announce()
        around.visible.announce()


def _named(sidecar: Sidecar) -> str:
    return f"{sidecar.node} ({sidecar.error})" if sidecar.error else sidecar.node
