"""One SQLite file, owned by one process: opening it, bringing its schema up, one transaction at a time.

A single connection in one task writes and reads; the file is locked for as long as it is open, so that
two control services can never push from one store. Synced before it returns (`journal` says how): what a
transaction has returned from survives a power cut.
"""

import asyncio
import contextlib
import functools
import pathlib
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import alembic.command
import alembic.config
import alembic.script
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, event, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from understudy.serving.failure import CannotStart

from control.store.journal import journal_for, pragmas_for
from control.store.schema import meta
from control.store.trouble import Trouble, describe, explain

MIGRATIONS = pathlib.Path(__file__).parent / "migrations"
BUSY_SECONDS = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class Stored(Protocol):
    """What has its place in a database."""

    database: "Database"


S = TypeVar("S", bound=Stored)


class Database:
    """An open store. Made by `open_database`, at work after `start`."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection) -> None:
        self._engine = engine
        self._connection = connection
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._is_over = False
        self.trouble = Trouble()

    def __repr__(self) -> str:
        return f"<Database {self._engine.url}, {self._jobs.qsize()} waiting>"

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Work in a task of the caller's group until `close`."""
        self._worker = tasks.create_task(self._work(), name="store")

    async def run(self, transaction: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do all of it or nothing. A caller that is cancelled meanwhile still learns what came of it, so that
        nothing is written that nobody puts in force; the cancellation is due at its next wait.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._is_over:
            raise asyncio.CancelledError("the store is closed")
        self._jobs.put_nowait(_Job(transaction, done))
        was_cancelled = False
        while not done.done():
            try:
                await asyncio.wait([done])
            except asyncio.CancelledError:
                was_cancelled = True
        if was_cancelled:
            _cancel_later()
        return done.result()

    async def next_epoch(self, above: int = 0) -> int:
        """A number that no start of this store had before, and that is above another."""
        return await self.run(functools.partial(_next_epoch, above=above))

    async def close(self) -> None:
        """Finish what was asked for and give the file free."""
        if self._worker is not None:
            self._jobs.put_nowait(None)
            await asyncio.wait([self._worker])
        await self._connection.close()
        await self._engine.dispose()

    async def _work(self) -> None:
        try:
            while (job := await self._jobs.get()) is not None:
                await self._do(job)
        finally:
            self._is_over = True
            while not self._jobs.empty():
                if (job := self._jobs.get_nowait()) is not None:
                    job.done.cancel()

    async def _do(self, job: "_Job") -> None:
        try:
            async with self._connection.begin():
                before = await self._changes()
                result = await job.transaction(self._connection)
                has_written = before != await self._changes()
        except OperationalError as error:
            self.trouble.failed(error)
            job.done.set_exception(error)
        except Exception as error:  # noqa: BLE001 - it is the asker's, and is raised there
            job.done.set_exception(error)
        except asyncio.CancelledError:
            job.done.cancel()
            raise
        else:
            if has_written:
                self.trouble.written()
            job.done.set_result(result)

    async def _changes(self) -> int:
        """Rows written so far; asked for only while the store is in trouble."""
        if not self.trouble.reason:
            return 0
        return int((await self._connection.exec_driver_sql("SELECT total_changes()")).scalar_one())


def _cancel_later() -> None:
    """Take up a cancellation that was put off, counted once as it was."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
        task.cancel()


@dataclass(frozen=True, slots=True)
class _Job:
    transaction: Callable[[AsyncConnection], Awaitable[Any]]
    done: asyncio.Future[Any]


def transactional(
    verb: Callable[Concatenate[S, AsyncConnection, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """A method that is one transaction: written with the connection, called without."""

    @functools.wraps(verb)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.database.run(lambda connection: verb(self, connection, *args, **kwargs))

    return run


async def _next_epoch(connection: AsyncConnection, above: int) -> int:
    query = select(meta.c.value).where(meta.c.key == "epoch")
    found = (await connection.execute(query)).scalar_one_or_none()
    epoch = max(int(found or 0), above) + 1
    if found is None:
        await connection.execute(insert(meta).values(key="epoch", value=epoch))
    else:
        await connection.execute(update(meta).where(meta.c.key == "epoch").values(value=epoch))
    return epoch


async def open_database(address: str) -> Database:
    """The store at a checked `sqlite:///PATH`, with this version's schema; CannotStart says why not."""
    url = _async_url(address)
    _try_to_open(str(url.database))
    engine = create_async_engine(url, connect_args={"isolation_level": None, "timeout": BUSY_SECONDS})
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    async with contextlib.AsyncExitStack() as undo:
        undo.push_async_callback(engine.dispose)
        try:
            connection = await engine.connect()
            undo.push_async_callback(connection.close)
            async with connection.begin():
                await connection.run_sync(_migrate, str(url.database))
        except DatabaseError as error:
            raise CannotStart(f"store: {url.database}: {describe(error)}") from None
        undo.pop_all()
    return Database(engine, connection)


def _async_url(address: str) -> URL:
    return make_url(address).set(drivername="sqlite+aiosqlite")


def _try_to_open(path: str) -> None:
    """A file that cannot be opened is found out here: aiosqlite's thread outlives a failed connect, and then
    finds its loop closed.
    """
    try:
        sqlite3.connect(path).close()
    except sqlite3.DatabaseError as error:
        raise CannotStart(f"store: {path}: {explain(str(error))}") from None


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in pragmas_for(journal_for(sqlite3.sqlite_version_info)):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """The driver would begin late and leave schema changes outside; so transactions are begun by hand."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection, path: str) -> None:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    scripts = alembic.script.ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise CannotStart(
            f"store: {path}: was written by a newer version of understudy (schema {current}); "
            f"this one knows schemas up to {scripts.get_current_head()}"
        )
    alembic.command.upgrade(config, "head")
