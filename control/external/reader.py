"""Reads the external metrics of rollouts under way, each in a task of its own.

    no stage that bakes asks for it ──▶ one does: ask at once ──▶ write what came ──▶ after `interval` again
              ▲                                                                             │
              └────────────────────────── the stage is over ◀───────────────────────────────┘

Nothing else waits for an answer: sources are asked from threads (`asker.py`), rollouts go on by what is in
the store. A reading belongs to the snapshot that was in force when it was asked for; one that comes too late
for its stage counts for none.
"""

import asyncio
import functools
import logging
from typing import Protocol

from sqlalchemy.exc import DatabaseError
from understudy.checks.numbers import seconds
from understudy.v1 import rollout_pb2, telemetry_pb2

from control.clock import Clock
from control.external.asker import Asker
from control.external.asking import NoAnswer, question_of
from control.external.checks import DEFAULT_INTERVAL, DEFAULT_TIMEOUT
from control.external.place import Place
from control.outbound import post
from control.store.evidence import EvidenceLog
from control.store.trouble import describe
from control.times import to_timestamp

LOOK = 0.25
"""Seconds between two looks at where the rollout stands."""

MOST = 1024 * 1024
"""Bytes of an answer."""

logger = logging.getLogger(__name__)


class Course(Protocol):
    """A rollout under way, as far as it matters here."""

    @property
    def service(self) -> str:
        """The name of its service."""

    @property
    def metrics(self) -> tuple[rollout_pb2.ExternalMetric, ...]:
        """What it asks other systems for."""

    def place(self, metric: str) -> Place | None:
        """Where it stands, if that is in a stage that bakes and asks for this metric."""


class Reader:
    """Reads what rollouts ask of other systems."""

    def __init__(self, evidence: EvidenceLog, clock: Clock) -> None:
        self._evidence = evidence
        self._clock = clock

    async def follow(self, course: Course) -> None:
        """Read a rollout's metrics until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for metric in course.metrics:
                tasks.create_task(self._follow(course, metric), name=f"metric {metric.name}")

    async def _follow(self, course: Course, metric: rollout_pb2.ExternalMetric) -> None:
        interval = seconds(metric.interval) or DEFAULT_INTERVAL
        asker = Asker(metric.name)
        last: Place | None = None
        due, trouble = 0.0, ""
        while True:
            place, now = course.place(metric.name), self._clock.monotonic()
            if place is not None and (place != last or now >= due):
                last, due = place, now + interval
                before = trouble
                try:
                    trouble = await self._read(asker, course, metric, place)
                except DatabaseError as error:  # there is a next time
                    trouble = f"the store: {describe(error)}"
                if trouble and trouble != before:  # once for as long as it lasts
                    extra = {"rollout": place.names["rollout"], "metric": metric.name, "reason": trouble}
                    logger.warning("a metric was not read", extra=extra)
            await asyncio.sleep(LOOK)

    async def _read(
        self, asker: Asker, course: Course, metric: rollout_pb2.ExternalMetric, place: Place
    ) -> str:
        """Ask once and keep what came; empty, or why nothing did."""
        reading = telemetry_pb2.Reading(metric=metric.name)
        try:
            reading.value = await self._ask(asker, metric, place)
        except NoAnswer as error:
            reading.error = str(error)
        wall = self._clock.wall()
        reading.time.CopyFrom(to_timestamp(wall))
        entry = telemetry_pb2.Evidence(
            route=place.names["route"],
            epoch=place.snapshot[0],
            version=place.snapshot[1],
            readings=[reading],
        )
        await self._evidence.append_reading(course.service, entry, wall)
        return reading.error

    async def _ask(self, asker: Asker, metric: rollout_pb2.ExternalMetric, place: Place) -> float:
        question = question_of(metric, place.names)
        timeout = seconds(metric.timeout) or DEFAULT_TIMEOUT
        ask = functools.partial(post, question.url, question.body, question.content_type, timeout, MOST)
        return question.read(await asker.ask(ask, timeout))
