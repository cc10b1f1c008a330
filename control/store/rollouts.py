"""Rollouts: how each stands, what its stages showed, and every transition it made."""

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import rollout_pb2, rollouts_pb2, service_pb2

from control.rollout.model import State
from control.rollout.records import state_to_json
from control.store.changes import Advanced, Change, advance_rollout, find_rollout, require_rollout
from control.store.database import Database, transactional
from control.store.errors import ActiveRollout, Conflict, NameTaken
from control.store.records import (
    StoredDecision,
    StoredRollout,
    StoredStage,
    rollout_from_row,
    stage_from_row,
    state_values,
)
from control.store.schema import decisions, evidence, rollouts, stages, transitions
from control.store.services import find_service, replace_service


class Rollouts:
    """The rollouts of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transactional
    async def find(self, connection: AsyncConnection, name: str) -> StoredRollout | None:
        return await find_rollout(connection, name)

    @transactional
    async def every(self, connection: AsyncConnection, service: str = "") -> list[StoredRollout]:
        """All of them, or those of one service, newest first."""
        query = select(rollouts).order_by(rollouts.c.number.desc())
        if service:
            query = query.where(rollouts.c.service == service)
        return [rollout_from_row(row) for row in await connection.execute(query)]

    @transactional
    async def active(self, connection: AsyncConnection) -> list[StoredRollout]:
        """Those under way, oldest first."""
        query = select(rollouts).where(rollouts.c.active).order_by(rollouts.c.number)
        return [rollout_from_row(row) for row in await connection.execute(query)]

    @transactional
    async def stages(self, connection: AsyncConnection, name: str) -> list[StoredStage]:
        """Those that were reached since the rollout was started or retried, in order."""
        query = select(stages).where(stages.c.rollout == name).order_by(stages.c.stage)
        return [stage_from_row(row) for row in await connection.execute(query)]

    @transactional
    async def transitions(self, connection: AsyncConnection, name: str) -> list[rollouts_pb2.Transition]:
        """Every step, oldest first."""
        query = select(transitions.c.message).where(transitions.c.rollout == name)
        found = await connection.execute(query.order_by(transitions.c.sequence))
        return [rollouts_pb2.Transition.FromString(row.message) for row in found]

    @transactional
    async def decisions(self, connection: AsyncConnection, name: str) -> dict[int, StoredDecision]:
        """What each step was decided on, by its number; those of versions that kept none are missing."""
        query = select(decisions).where(decisions.c.rollout == name).order_by(decisions.c.sequence)
        parse = service_pb2.Service.FromString
        return {
            row.sequence: StoredDecision(row.inputs, parse(row.base))
            for row in await connection.execute(query)
        }

    @transactional
    async def last_push(self, connection: AsyncConnection, name: str) -> tuple[int, int]:
        """Epoch and version of the snapshot that was in force after the last step."""
        query = select(transitions.c.message).where(transitions.c.rollout == name)
        newest = query.order_by(transitions.c.sequence.desc()).limit(1)
        step = rollouts_pb2.Transition.FromString((await connection.execute(newest)).scalar_one())
        return step.epoch, step.version

    @transactional
    async def start(
        self,
        connection: AsyncConnection,
        message: rollout_pb2.Rollout,
        base: service_pb2.Service,
        base_version: int,
        change: Change,
    ) -> Advanced:
        """Write a new rollout and its first transition, decided on version `base_version` of its service."""
        if await find_rollout(connection, message.name):
            raise NameTaken(f"a rollout called {message.name} is there already")
        await _require_free(connection, message.service, base_version)
        values = state_values(change.state) | {"version": change.expected, "started_at": change.now}
        newest = (await connection.execute(select(func.max(evidence.c.arrival)))).scalar_one()
        values["evidence_after"] = newest or 0
        await connection.execute(
            insert(rollouts).values(
                name=message.name,
                service=message.service,
                message=message.SerializeToString(deterministic=True),
                base=base.SerializeToString(deterministic=True),
                **values,
            )
        )
        return await advance_rollout(connection, change)

    @transactional
    async def advance(self, connection: AsyncConnection, change: Change) -> Advanced:
        """Write one transition, if nobody else made one since it was decided on."""
        return await advance_rollout(connection, change)

    @transactional
    async def reopen(self, connection: AsyncConnection, base_version: int, change: Change) -> Advanced:
        """Write the transition that takes an ended rollout up again, if its service is still free."""
        before = await require_rollout(connection, change.rollout)
        await _require_free(connection, before.service, base_version)
        return await advance_rollout(connection, change)

    @transactional
    async def retiring(self, connection: AsyncConnection, now: float) -> list[StoredRollout]:
        """Those whose old variant is to leave the configuration by now."""
        found = await connection.execute(select(rollouts).where(rollouts.c.retire_at <= now))
        return [rollout_from_row(row) for row in found]

    @transactional
    async def retire(
        self,
        connection: AsyncConnection,
        name: str,
        service: service_pb2.Service | None,
        base_version: int,
        now: float,
    ) -> None:
        """Note that it left, and replace the service by one without it; None: it stays for good."""
        if service is not None:
            await replace_service(connection, service, now, base_version)
        statement = update(rollouts).where(rollouts.c.name == name)
        await connection.execute(statement.values(retire_at=None))

    @transactional
    async def keep_clock(self, connection: AsyncConnection, name: str, version: int, state: State) -> None:
        """Write how long the stage has run; no transition, and nothing at all if there was one."""
        statement = update(rollouts).where(rollouts.c.name == name, rollouts.c.version == version)
        await connection.execute(statement.values(state=state_to_json(state)))


async def _require_free(connection: AsyncConnection, service: str, version: int) -> None:
    busy = select(rollouts.c.name).where(rollouts.c.service == service, rollouts.c.active)
    if name := (await connection.execute(busy)).scalar_one_or_none():
        raise ActiveRollout(name)
    stored = await find_service(connection, service)
    if stored is None or stored.version != version:
        raise Conflict(f"service {service} was changed by somebody else")
