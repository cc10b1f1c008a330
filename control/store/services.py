"""Services: as applied (`base`), as in force now, and their blue/green slots."""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import service_pb2

from control.store.database import Database, transactional
from control.store.errors import ActiveRollout, Conflict
from control.store.schema import rollouts, services, slots, switches


@dataclass(frozen=True, slots=True)
class StoredService:
    """One service as it stands. The messages are not to be changed."""

    name: str
    base: service_pb2.Service
    in_force: service_pb2.Service
    version: int
    rollout: str
    latency_bounds: tuple[float, ...]
    updated_at: float


class Services:
    """The services of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @transactional
    async def find(self, connection: AsyncConnection, name: str) -> StoredService | None:
        return await find_service(connection, name)

    @transactional
    async def every(self, connection: AsyncConnection) -> list[StoredService]:
        """All of them, by name."""
        found = await connection.execute(select(services).order_by(services.c.name))
        return [_from_row(row) for row in found]

    @transactional
    async def deployed_at(self, connection: AsyncConnection, name: str) -> dict[str, float]:
        """When each variant was last put there."""
        query = select(slots.c.variant, slots.c.deployed_at).where(slots.c.service == name)
        return {row.variant: row.deployed_at for row in await connection.execute(query)}

    @transactional
    async def previous_slot(self, connection: AsyncConnection, name: str) -> str:
        """The variant that had the traffic before the last switch; empty where there is none."""
        query = select(switches.c.previous).where(switches.c.service == name)
        return (await connection.execute(query)).scalar_one_or_none() or ""

    @transactional
    async def apply(
        self, connection: AsyncConnection, service: service_pb2.Service, now: float, *, expected: int
    ) -> StoredService:
        """Create or replace a service; `expected` is the version it replaces, 0 for none."""
        stored = await replace_service(connection, service, now, expected)
        await forget_switch(connection, service.name)
        return stored

    @transactional
    async def deploy(
        self,
        connection: AsyncConnection,
        service: service_pb2.Service,
        now: float,
        *,
        expected: int,
        variant: str,
    ) -> StoredService:
        """Replace a service by one with `variant` deployed now."""
        return await replace_service(connection, service, now, expected, deployed=variant)

    @transactional
    async def switch(
        self,
        connection: AsyncConnection,
        service: service_pb2.Service,
        now: float,
        *,
        expected: int,
        previous: str,
    ) -> StoredService:
        """Replace a service by one with its traffic moved, and remember where it was; empty: forget."""
        stored = await replace_service(connection, service, now, expected)
        if not previous:
            await forget_switch(connection, service.name)
            return stored
        row = {"previous": previous, "switched_at": now}
        statement = upsert(switches).values(service=service.name, **row)
        await connection.execute(statement.on_conflict_do_update(index_elements=["service"], set_=row))
        return stored


async def find_service(connection: AsyncConnection, name: str) -> StoredService | None:
    """One service, inside a transaction."""
    row = (await connection.execute(select(services).where(services.c.name == name))).one_or_none()
    return _from_row(row) if row else None


async def put_in_force(
    connection: AsyncConnection,
    service: service_pb2.Service,
    now: float,
    *,
    base: service_pb2.Service | None = None,
    rollout: str = "",
    latency_bounds: tuple[float, ...] = (),
) -> int:
    """Inside a transaction: what is pushed from now on, and its version."""
    values = {
        "in_force": service.SerializeToString(deterministic=True),
        "rollout": rollout,
        "latency_bounds": list(latency_bounds),
        "updated_at": now,
    }
    if base is not None:
        values["base"] = base.SerializeToString(deterministic=True)
    statement = (
        update(services)
        .where(services.c.name == service.name)
        .values(version=services.c.version + 1, **values)
        .returning(services.c.version)
    )
    return int((await connection.execute(statement)).scalar_one())


async def forget_switch(connection: AsyncConnection, service: str) -> None:
    """Inside a transaction: what had the traffic before is of no meaning any more."""
    await connection.execute(delete(switches).where(switches.c.service == service))


async def replace_service(
    connection: AsyncConnection,
    service: service_pb2.Service,
    now: float,
    expected: int,
    deployed: str = "",
) -> StoredService:
    """Inside a transaction: create or replace a service that no rollout holds."""
    busy = select(rollouts.c.name).where(rollouts.c.service == service.name, rollouts.c.active)
    if name := (await connection.execute(busy)).scalar_one_or_none():
        raise ActiveRollout(name)
    before = await find_service(connection, service.name)
    if (before.version if before else 0) != expected:
        raise Conflict(f"service {service.name} was changed by somebody else")
    if before is None:
        data = service.SerializeToString(deterministic=True)
        row = {"base": data, "in_force": data, "rollout": "", "latency_bounds": [], "updated_at": now}
        await connection.execute(insert(services).values(name=service.name, version=1, **row))
    else:
        await put_in_force(connection, service, now, base=service)
    await _note_slots(connection, before.base if before else service_pb2.Service(), service, now, deployed)
    stored = await find_service(connection, service.name)
    if stored is None:
        raise AssertionError("a service is there once it was written")
    return stored


async def _note_slots(
    connection: AsyncConnection,
    before: service_pb2.Service,
    after: service_pb2.Service,
    now: float,
    deployed: str,
) -> None:
    old = {variant.name: variant for variant in before.variants}
    names = [variant.name for variant in after.variants]
    gone = delete(slots).where(slots.c.service == after.name, slots.c.variant.not_in(names))
    await connection.execute(gone)
    for variant in after.variants:
        if variant.name != deployed and old.get(variant.name) == variant:
            continue
        statement = upsert(slots).values(service=after.name, variant=variant.name, deployed_at=now)
        keys = ["service", "variant"]
        await connection.execute(
            statement.on_conflict_do_update(index_elements=keys, set_={"deployed_at": now})
        )


def _from_row(row: Row[tuple[object, ...]]) -> StoredService:
    return StoredService(
        name=row.name,
        base=service_pb2.Service.FromString(row.base),
        in_force=service_pb2.Service.FromString(row.in_force),
        version=row.version,
        rollout=row.rollout,
        latency_bounds=tuple(row.latency_bounds),
        updated_at=row.updated_at,
    )
