"""Carries rollouts out: one task for each that is under way, each alone in its failures.

begin ──▶ every active rollout of the store ─┐
start ───────────────────────────────────────┼──▶ follow: tick, tick, … until it is over
command: retry ──────────────────────────────┘
"""

import asyncio
import contextlib
import logging

from sqlalchemy.exc import DatabaseError
from understudy.v1 import rollout_pb2

from control.course import Course
from control.refusals import AlreadyThere, Invalid, NotNow, NotThere
from control.rollout.decisions import Command
from control.rollout.model import Gate, Plan, State
from control.rollout.strategies import InvalidRollout, check_rollout, compile_rollout
from control.store.errors import ActiveRollout, Conflict, NameTaken
from control.store.records import StoredRollout
from control.store.services import StoredService
from control.store.trouble import describe
from control.surroundings import Surroundings

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

logger = logging.getLogger(__name__)


class Reconciler:
    """The rollouts under way. `tick` is seconds between two looks at one."""

    def __init__(self, around: Surroundings, tasks: asyncio.TaskGroup, tick: float) -> None:
        self._around = around
        self._tasks = tasks
        self._tick = tick
        self._courses: dict[str, Course] = {}
        self._following: dict[str, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"<Reconciler {list(self._courses.values())}>"

    async def begin(self) -> None:
        """Take up every rollout that was under way when the last process ended."""
        for stored in await self._around.store.rollouts.active():
            try:
                self._follow(self._course(stored))
            except NotNow as error:
                logger.error("a rollout cannot be taken up", extra={"reason": str(error)})  # noqa: TRY400

    async def stop(self) -> None:
        """Look no more; what was decided is written already."""
        following = list(self._following.values())
        for task in following:
            task.cancel()
        if following:
            await asyncio.wait(following)

    def course(self, name: str) -> Course | None:
        """A rollout under way."""
        return self._courses.get(name)

    async def start(self, asked: rollout_pb2.Rollout, *, supersede: bool = False, by: str = "") -> str:
        """Begin a rollout; its name. With `supersede` one that the service has under way is given up, once
        this one is known to be sound.
        """
        if violations := check_rollout(asked, None, "rollout"):
            raise Invalid(violations)
        service = await self._around.store.services.find(asked.service)
        if service is None:
            raise NotThere(f"no service is called {asked.service!r}")
        if violations := check_rollout(asked, service.base, "rollout"):
            raise Invalid(violations)
        self._around.leadership.require(asked.service)
        name = asked.name or await self._next_name(asked)
        plan = compile_rollout(asked, service.base, name)
        new = StoredRollout(
            number=0,
            name=name,
            service=plan.service,
            message=_filled(asked, plan),
            base=service.base,
            state=State(),
            active=True,
            version=0,
            started_at=self._around.clock.wall(),
            ended_at=None,
        )
        course = Course(new, plan, self._around)
        try:
            if supersede:
                service = await self._superseded(service, name, by)
            await course.start(service, by)
        except NameTaken as error:
            raise AlreadyThere(str(error)) from None
        except ActiveRollout as error:
            raise NotNow(f"service {asked.service}: {error}; one rollout at a time") from None
        self._follow(course)
        return name

    async def _superseded(self, service: StoredService, name: str, by: str) -> StoredService:
        """The service, once the rollout that it has under way, if any, was given up for that one."""
        if await self._around.store.rollouts.find(name):
            raise NameTaken(f"a rollout called {name} is there already")
        for course in list(self._courses.values()):
            if course.plan.service == service.name:
                with contextlib.suppress(NotNow):  # it has just ended by itself
                    await course.command(Command.SUPERSEDE, by)
        found = await self._around.store.services.find(service.name)
        if found is None or found.base != service.base:
            raise NotNow(f"service {service.name} was changed meanwhile; look, and start again")
        return found

    async def command(self, name: str, asked: Command, by: str = "") -> None:
        """What an operator wants of a rollout."""
        course = self._courses.get(name)
        if course is None:
            stored = await self._around.store.rollouts.find(name)
            if stored is None:
                raise NotThere(f"no rollout is called {name!r}")
            course = self._course(stored)
        self._around.leadership.require(course.service)
        try:
            await course.command(asked, by)
        except ActiveRollout as error:
            raise NotNow(f"rollout {name}: {error}; one rollout of a service at a time") from None
        except Conflict:
            await course.reload()
            raise
        if not course.is_over and name not in self._courses:
            self._follow(course)

    async def abort_any(self, service: str) -> None:
        """Abort the rollout of a service, if there is one under way."""
        for course in list(self._courses.values()):
            if course.plan.service == service:
                self._around.leadership.require(service)
                with contextlib.suppress(NotNow):  # it has just ended by itself
                    await course.command(Command.ABORT)

    def _course(self, stored: StoredRollout) -> Course:
        try:
            plan = compile_rollout(stored.message, stored.base, stored.name)
        except InvalidRollout as error:
            text = f"rollout {stored.name} was started by another version, by whose rules it is: {error}"
            raise NotNow(text) from None
        return Course(stored, plan, self._around)

    def _follow(self, course: Course) -> None:
        self._courses[course.name] = course
        task = self._tasks.create_task(self._carry_out(course), name=f"rollout {course.name}")
        self._following[course.name] = task

    async def _carry_out(self, course: Course) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._around.reader.follow(course), name=f"metrics {course.name}")
            await self._look_until_over(course)
            reading.cancel()
        del self._courses[course.name], self._following[course.name]

    async def _look_until_over(self, course: Course) -> None:
        pause, is_stale = self._tick, False
        while not course.is_over:
            try:
                self._around.leadership.require(course.service)
                if is_stale:
                    await course.reload()
                await course.tick()
            except Exception as error:  # noqa: BLE001 - whatever it is, the other rollouts go on
                self._note_problem(course, error)
                pause, is_stale = min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE), isinstance(error, Conflict)
            else:
                pause, is_stale, course.problem = self._tick, False, ""
            await asyncio.sleep(pause)

    def _note_problem(self, course: Course, error: Exception) -> None:
        """Say it once, show it for as long as it lasts."""
        is_known = isinstance(error, DatabaseError | NotNow)  # and told elsewhere, too
        said = f"the store: {describe(error)}" if isinstance(error, DatabaseError) else _first_line(error)
        problem = f"cannot be carried out now: {said}"
        if course.problem != problem:
            what = {"rollout": course.name, "reason": said}
            logger.error("a rollout is stuck", exc_info=None if is_known else error, extra=what)
            course.problem = problem
            self._around.visible.announce()

    async def _next_name(self, asked: rollout_pb2.Rollout) -> str:
        taken = {stored.name for stored in await self._around.store.rollouts.every(asked.service)}
        number = 1
        while (name := f"{asked.service}-{asked.candidate}-{number}") in taken:
            number += 1
        return name


def _first_line(error: Exception) -> str:
    line = str(error).partition("\n")[0]
    return line if isinstance(error, NotNow) else f"{type(error).__name__}: {line}"


def _filled(asked: rollout_pb2.Rollout, plan: Plan) -> rollout_pb2.Rollout:
    """The rollout with its defaults, so that it means the same in every later version."""
    filled = rollout_pb2.Rollout()
    filled.CopyFrom(asked)
    filled.name, filled.route = plan.name, plan.route
    filled.on_fail, filled.on_inconclusive = plan.on_fail, plan.on_inconclusive
    filled.gate, filled.min_calls = plan.gate, plan.min_calls
    if plan.gate is Gate.SEQUENTIAL:
        filled.alpha = plan.alpha
    del filled.error_codes[:]
    filled.error_codes.extend(sorted(plan.error_codes))
    return filled
