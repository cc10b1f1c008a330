"""A control service that dies and is started again, over one store, until a rollout is over."""

import asyncio
import contextlib
import json
import os
import pathlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc
from understudy.v1 import services_pb2, services_pb2_grpc

from tests.support.whole_run import NAME, WholeRun, gone

ROOT = pathlib.Path(__file__).parents[2]
PATIENCE = 60.0
RUN = (sys.executable, "-m", "tests.support.dying_control")


@dataclass
class Life:
    """One process."""

    process: asyncio.subprocess.Process
    address: str  # empty: it died before it listened

    async def end(self) -> int:
        """Stop it; how many writes it made."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            rest = await self.process.stdout.read()
            await self.process.wait()
        return int(rest or b"0")


@contextlib.asynccontextmanager
async def life(directory: pathlib.Path, last: int, before: Sequence[str] = ()) -> AsyncIterator[Life]:
    """A control service that dies at its write number `last`."""
    errors = directory / "control.err"
    with errors.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *before,
            *RUN,
            f"sqlite:///{directory}/understudy.db",
            str(last),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        if not line:
            await process.wait()
            assert process.returncode == -9, errors.read_text()
        yield Life(process, json.loads(line)["listening"]["grpc"] if line else "")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def killed_at(directory: pathlib.Path, last: int) -> int:
    """See a whole canary through, with one death at write number `last` (0: none); the writes after it.

    Everything that a death may not change is checked.
    """
    run = WholeRun()
    for kill_at in (last, 0):
        async with life(directory, kill_at) as control:
            if not control.address or not await run.go_on(control.address):
                continue
            service, writes = None, 0
            with gone():  # it may be killed even now
                service = await _service(control.address)
                writes = await control.end()
        if service is not None:
            run.check(service)
            check_store(directory / "understudy.db", run)
            return writes
    raise AssertionError(f"killed at write {last}: the rollout is not over after a restart")


async def _service(address: str) -> services_pb2.ServiceStatus:
    async with grpc.aio.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        stub = services_pb2_grpc.ServicesStub(channel)
        return (await stub.Get(services_pb2.ServicesGetRequest(name="fraud"))).service


def check_store(path: pathlib.Path, run: WholeRun) -> None:
    """The file is sound; every report that was answered is there, and once."""
    with contextlib.closing(sqlite3.connect(path)) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sequences = [row[0] for row in store.execute("SELECT sequence FROM reports ORDER BY sequence")]
        answered = run.sequence - (run.unanswered is not None)
        assert sequences[:answered] == list(range(1, answered + 1))
        assert len(sequences) - answered in (0, 1)
        [arms] = store.execute("SELECT count(*) FROM evidence WHERE node = 'pod-1'").fetchone()
        assert arms == 2 * len(sequences)
        audit = "SELECT sequence FROM transitions WHERE rollout = ? ORDER BY sequence"
        assert [row[0] for row in store.execute(audit, [NAME])] == [1, 2, 3, 4]
        active = "SELECT count(*) FROM rollouts WHERE active"
        assert store.execute(active).fetchone() == (0,)
