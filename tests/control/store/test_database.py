import asyncio
import pathlib
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.serving.failure import CannotStart

from control.store import database, outcome_tables
from control.store.database import Database, open_database
from control.store.schema import meta


async def _failure(address: str) -> str:
    with pytest.raises(CannotStart) as found:
        await open_database(address)
    return str(found.value)


async def test_migrations_bring_a_database_to_the_schema_of_the_code(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "understudy.db"
    await (await open_database(f"sqlite:///{path}")).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, outcome_tables.outcomes.metadata) == []
    engine.dispose()


async def test_the_epoch_grows_at_every_start(tmp_path: pathlib.Path) -> None:
    async def start() -> int:
        async with asyncio.TaskGroup() as tasks:
            store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
            store.start(tasks)
            epoch = await store.next_epoch()
            await store.close()
            return epoch

    assert [await start() for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 3)])
async def test_a_commit_is_on_the_disk(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    async with asyncio.TaskGroup() as tasks:
        store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
        store.start(tasks)

        async def pragmas(connection: AsyncConnection) -> list[object]:
            names = ("journal_mode", "synchronous", "foreign_keys")
            return [(await connection.execute(text(f"PRAGMA {name}"))).scalar() for name in names]

        journal = "persist" if version < (3, 51, 3) else "wal"
        assert await store.run(pragmas) == [journal, 2, 1]
        await store.close()


async def test_a_store_outlives_a_change_of_the_library(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = []
    for version in [(3, 51, 3), (3, 40, 1), (3, 51, 3)]:
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        async with asyncio.TaskGroup() as tasks:
            store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
            store.start(tasks)
            epochs.append(await store.next_epoch())
            await store.close()
    assert epochs == [1, 2, 3]


async def test_a_transaction_that_fails_leaves_nothing(tmp_path: pathlib.Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
        store.start(tasks)

        async def fail(connection: AsyncConnection) -> None:
            await connection.execute(meta.insert().values(key="half", value=1))
            raise ValueError("half way")

        async def read(connection: AsyncConnection) -> list[str]:
            return list((await connection.execute(select(meta.c.key))).scalars())

        with pytest.raises(ValueError, match="half way"):
            await store.run(fail)
        assert await store.run(read) == []
        await store.close()


async def test_a_caller_that_goes_away_stops_nothing_half_way(tmp_path: pathlib.Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
        store.start(tasks)
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def write(connection: AsyncConnection) -> None:
            inside.set()
            await go_on.wait()
            await connection.execute(meta.insert().values(key="whole", value=1))

        async def read(connection: AsyncConnection) -> list[str]:
            return list((await connection.execute(select(meta.c.key))).scalars())

        caller = tasks.create_task(store.run(write))
        await inside.wait()
        caller.cancel()
        go_on.set()
        assert await store.run(read) == ["whole"]
        await store.close()


async def test_a_caller_that_is_cancelled_learns_what_was_written(tmp_path: pathlib.Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
        store.start(tasks)
        inside, go_on = asyncio.Event(), asyncio.Event()
        told: list[str] = []

        async def write(connection: AsyncConnection) -> str:
            inside.set()
            await go_on.wait()
            await connection.execute(meta.insert().values(key="whole", value=1))
            return "written"

        async def call() -> None:
            told.append(await store.run(write))
            await asyncio.Event().wait()

        caller = tasks.create_task(call())
        await inside.wait()
        caller.cancel()
        go_on.set()
        await asyncio.wait([caller])
        assert told == ["written"]
        assert caller.cancelled()
        await store.close()


async def test_nobody_waits_for_a_store_that_has_ended(tmp_path: pathlib.Path) -> None:
    async def wait(_connection: AsyncConnection) -> None:
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
        async with asyncio.TaskGroup() as dying:
            store.start(dying)
            callers = [tasks.create_task(store.run(wait)) for _ in range(2)]
            await asyncio.sleep(0)
            for task in asyncio.all_tasks():
                if task.get_name() == "store":
                    task.cancel()
        await asyncio.wait(callers)
        assert all(caller.cancelled() for caller in callers)
        with pytest.raises(asyncio.CancelledError):
            await store.run(wait)
        await store.close()


async def test_a_time_limit_on_a_transaction_is_still_one(tmp_path: pathlib.Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        store = await open_database(f"sqlite:///{tmp_path}/understudy.db")
        store.start(tasks)

        async def write(_connection: AsyncConnection) -> None:
            await asyncio.sleep(0.02)

        async def call() -> None:
            async with asyncio.timeout(0):
                await store.run(write)
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await call()
        await store.close()


async def test_why_a_store_cannot_be_opened_is_one_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    (tmp_path / "letter.txt").write_text("dear reader, this is no database at all\n" * 99)
    assert "its directory must exist" in await _failure(f"sqlite:///{tmp_path}/no/where.db")
    assert "cannot be opened" in await _failure(f"sqlite:///{tmp_path}")
    assert "is not an SQLite database" in await _failure(f"sqlite:///{tmp_path}/letter.txt")
    holder: Database = await open_database(f"sqlite:///{tmp_path}/held.db")
    assert "is in use by another process" in await _failure(f"sqlite:///{tmp_path}/held.db")
    await holder.close()


async def test_a_store_of_a_newer_version_is_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "understudy.db"
    await (await open_database(f"sqlite:///{path}")).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "newer version of understudy (schema 9999)" in await _failure(f"sqlite:///{path}")
