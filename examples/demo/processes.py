"""The demo's processes: started, listened to, and in the end stopped, whatever happens."""

import asyncio
import contextlib
import json
import os
import pathlib
import sys
from typing import Self

READY = 60.0
GRACE = 10.0
UNDERSTUDY = (sys.executable, "-c", "from understudy.cli import main; main()")


class Died(Exception):
    """A process ended that should not have, or one failed that should not; says what it wrote last."""


class Processes:
    """Real processes with their logs in one folder. Use as a context: none of them outlives it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}

    def __repr__(self) -> str:
        return f"<Processes {', '.join(self._running)}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.stop_all()
        finally:
            for process in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    async def start(self, name: str, *command: str) -> dict[str, str]:
        """Start a process and wait for its announcement: where it listens, by door."""
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # a terminal's Ctrl-C is for the demo, which ends them in order
            )
        self._running[name] = process
        assert process.stdout is not None  # noqa: S101  # it was asked for
        try:
            async with asyncio.timeout(READY):
                line = await process.stdout.readline()
        except TimeoutError:
            raise Died(f"{name} was not ready after {READY:g} s:\n{self.tail(name)}") from None
        if not line:
            raise Died(f"{name} ended before it was ready:\n{self.tail(name)}")
        listening: dict[str, str] = json.loads(line)["listening"]
        return listening

    async def stop(self, name: str) -> int:
        """End a process, kindly at first; its exit code."""
        process = self._running[name]
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(GRACE):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()
        del self._running[name]
        assert process.returncode is not None  # noqa: S101  # it has ended
        return process.returncode

    async def stop_all(self) -> dict[str, int]:
        """End every process, the last started first; their exit codes."""
        return {name: await self.stop(name) for name in reversed(list(self._running))}

    async def run(self, *command: str) -> str:
        """Run a command to its end; what it printed. Raises Died where it fails."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        try:
            output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise Died(f"{' '.join(command[-6:])}: exit code {process.returncode}\n{errors.decode()}")
        return output.decode()

    def ended(self) -> set[str]:
        """Those that have ended by themselves."""
        return {name for name, process in self._running.items() if process.returncode is not None}

    def check(self) -> None:
        """Raise Died where one of them has ended."""
        if ended := sorted(self.ended()):
            name = ended[0]
            code = self._running[name].returncode
            raise Died(f"{name} ended with exit code {code}:\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 15) -> str:
        """What a process logged last."""
        text = (self._folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def _environment() -> dict[str, str]:
    """The caller's, without what would set flags behind the demo's back."""
    return {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
