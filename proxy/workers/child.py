"""The parent's side of one worker: its process, started again whenever it ends."""

import asyncio
import contextlib
import logging
import pathlib
import random
import struct
import sys
import time
from collections.abc import Mapping

from understudy.serving.announce import heard

from proxy.config.backoff import Backoff

_log = logging.getLogger(__name__)

_LENGTH = struct.Struct("!I")

STEADY = 10.0
"""Seconds after which a worker that ends is started at once again."""


class Ended(Exception):
    """A worker ended before it listened; with its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"ended with {code}")
        self.code = code


class Child:
    """The worker at one place, whichever process it is at the time."""

    def __init__(self, number: int, of: int, directory: pathlib.Path, log_level: str, message: bytes) -> None:
        self.number = number
        self.starts = 0
        self.listening: Mapping[str, str] | None = None  # while it is there
        self._directory = directory
        self._arguments = (str(number), str(of), str(directory), log_level)
        self._message = _LENGTH.pack(len(message)) + message
        self._process: asyncio.subprocess.Process | None = None
        self._began = 0.0
        self._released = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Child {self.number}, process {self.pid}, {'' if self.listening else 'not '}listening>"

    @property
    def pid(self) -> int | None:
        """Of its process, while there is one."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def state(self) -> str:
        """What it does, in a word."""
        if self.listening is not None:
            return "listening"
        return "starting" if self.pid else "restarting"

    async def start(self) -> Mapping[str, str]:
        """A process, and where it listens once it does; raises Ended."""
        self._began = time.monotonic()
        self.starts += 1
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "proxy.workers.worker", *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # what a terminal sends goes to the parent alone
        )
        assert process.stdin is not None  # noqa: S101  # asked for
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(self._message)
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        if self._released.is_set():
            process.stdin.close()
        line = await process.stdout.readline()
        if not line:
            raise Ended(await self._end(process))
        self.listening = heard(line)
        return self.listening

    async def keep(self) -> None:
        """Start it anew whenever it ends, until it is released and has ended."""
        backoff = Backoff(0.1, 5.0)
        while True:
            process = self._process
            assert process is not None  # noqa: S101  # it was started before it is kept
            pid = process.pid
            code = await self._end(process)
            if self._released.is_set():
                return
            if time.monotonic() - self._began > STEADY:
                backoff.reset()
            pause = backoff.next(random.random())  # noqa: S311  # not a secret
            _log.error(
                "worker ended",
                extra={"worker": self.number, "pid": pid, "code": code, "again_in": round(pause, 2)},
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._released.wait()
                    return
            with contextlib.suppress(Ended):
                await self.start()
                _log.info("worker started anew", extra={"worker": self.number, "pid": self.pid})

    def release(self) -> None:
        """Let it drain and end."""
        self._released.set()
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self._released.set()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        code = await process.wait()
        self.listening = None
        (self._directory / f"{process.pid}.sock").unlink(missing_ok=True)
        return code
