"""The power cut at every write and sync of a traced control service: what is left, and what it must hold."""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.disk import Call, Disk, Inode, Left, calls_of
from tests.support.whole_run import NAME

ROOT = pathlib.Path(__file__).parents[2]
TRACED = "openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink"
PATIENCE = 120.0
STRACE = shutil.which("strace")


async def trace(directory: pathlib.Path, journal: str, synchronous: str = "FULL") -> list[Call]:
    """Run a whole canary under strace; what it did to its directory, in order."""
    assert STRACE is not None
    log, store = directory / "strace.log", directory / "store"
    store.mkdir()
    names = ["", "/understudy.db", "/understudy.db-journal", "/understudy.db-wal", "/answers"]
    process = await asyncio.create_subprocess_exec(
        *(
            STRACE,
            "-f",
            "-y",
            "-xx",
            "--seccomp-bpf",
            "-s",
            "4000000",
            "-o",
            str(log),
            "-e",
            f"trace={TRACED}",
        ),
        *(part for name in names for part in ("-P", f"{store}{name}")),
        *(sys.executable, "-m", "tests.support.traced_run", str(store), journal, synchronous),
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    async with asyncio.timeout(PATIENCE):
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return list(calls_of(log.read_text()))


@dataclass
class Answered:
    """What somebody was told, at the most."""

    epoch: int = 0
    version: int = 0
    rollout: bool = False
    transitions: int = 0
    reports: int = 0

    def note(self, what: str, value: Any) -> None:
        match what:
            case "service":
                self.version = max(self.version, value)
            case "pushed":
                self.epoch, self.version = max(self.epoch, value[0]), max(self.version, value[1])
            case "rollout":
                self.rollout = True
            case "transition":
                self.transitions = value
            case "report":
                self.reports = value


@dataclass
class Findings:
    """States that were looked at, by kind, and what was wrong with any."""

    states: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def cut_everywhere(
    calls: list[Call], directory: pathlib.Path, *, every: int = 1, halves: int = 3, seed: int = 1
) -> Findings:
    """Cut the power after each call (of so many, one); look at all, only the synced, and random halves."""
    directory.mkdir()
    found, draw = Findings(), random.Random(seed)  # noqa: S311 - what is drawn must be the same again
    kinds: list[Left] = ["all", "synced", *(["half"] * halves)]  # type: ignore[list-item]  # a list grows
    for number, (disk, answered) in enumerate(_moments(calls)):
        if number % every:
            continue
        for kind in kinds:
            found.states[kind] += 1
            if wrong := _look(disk.left(kind, draw), answered, directory):
                found.wrong.append(f"after call {number}, {kind}: {wrong}")
    return found


def _moments(calls: list[Call]) -> Iterator[tuple[Disk, Answered]]:
    """The disk after each call, and what was answered before it."""
    disk, answered = Disk(), Answered()
    for call in calls:
        name = pathlib.PurePath(call.path).name
        if name == "answers":
            if call.name == "write":
                answered.note(*json.loads(call.data))
            continue
        match call.name:
            case "create":
                disk.names.setdefault(name, Inode())
            case "unlink":
                disk.names.pop(name, None)
            case "pwrite64":
                disk.names[name].write(call.number, call.data)
            case "ftruncate":
                disk.names[name].truncate(call.number)
            case "fsync" | "fdatasync" if name in disk.names:
                disk.names[name].sync()
            case "fsync" | "fdatasync":
                disk.sync_names()
        yield disk, answered


def _look(files: dict[str, bytes], answered: Answered, directory: pathlib.Path) -> str:
    """What is wrong with what is left; empty: nothing."""
    for old in directory.iterdir():
        old.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    try:
        with contextlib.closing(sqlite3.connect(directory / "understudy.db")) as store:
            return _wrong(store, answered)
    except sqlite3.DatabaseError as error:
        return f"corrupt: {error}"


def _wrong(store: sqlite3.Connection, answered: Answered) -> str:
    for pragma in ("synchronous = OFF", "locking_mode = EXCLUSIVE"):  # the copy need not last
        store.execute(f"PRAGMA {pragma}")
    if (sound := store.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
        return f"corrupt: {sound}"
    if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'rollouts'").fetchall():
        return "" if answered == Answered() else f"no tables, yet {answered}"
    return _lost(store, answered) or _halved(store)


def _lost(store: sqlite3.Connection, answered: Answered) -> str:
    epoch = _one(store, "SELECT coalesce(max(value), 0) FROM meta WHERE key = 'epoch'")
    version = _one(store, "SELECT coalesce(max(version), 0) FROM services")
    steps = _one(store, "SELECT count(*) FROM transitions")
    reports = _one(store, "SELECT count(*) FROM reports")
    told = (answered.epoch, answered.version, max(answered.transitions, answered.rollout), answered.reports)
    if all(kept >= least for kept, least in zip((epoch, version, steps, reports), told, strict=True)):
        return ""
    return f"lost: epoch {epoch}, version {version}, {steps} transitions, {reports} reports of {answered}"


def _halved(store: sqlite3.Connection) -> str:
    """Whether a transaction is there in part."""
    steps, last = store.execute("SELECT count(*), coalesce(max(sequence), 0) FROM transitions").fetchone()
    version = _one(store, f"SELECT coalesce(max(version), 0) FROM rollouts WHERE name = '{NAME}'")  # noqa: S608
    reports, newest = store.execute("SELECT count(*), coalesce(max(sequence), 0) FROM reports").fetchone()
    rows = _one(store, "SELECT count(*) FROM evidence WHERE node = 'pod-1'")
    if steps == last == version and reports == newest and rows == 2 * reports:
        return ""
    return f"half: {steps} steps up to {last} of {version}; {reports} reports up to {newest}, {rows} rows"


def _one(store: sqlite3.Connection, query: str) -> int:
    return int(store.execute(query).fetchone()[0])
