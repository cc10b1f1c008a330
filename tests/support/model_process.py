"""An echoing model server as a process of its own, to be stopped and killed; prints its port."""

import asyncio
import contextlib
import pathlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.support.models import echo, hangs, model

ROOT = pathlib.Path(__file__).parents[2]


@dataclass
class ModelProcess:
    address: str
    process: asyncio.subprocess.Process

    def stop(self) -> None:
        """Freeze it: its port still takes connections, nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def model_process(behaviour: str = "echo") -> AsyncIterator[ModelProcess]:
    """One model server, running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, behaviour, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield ModelProcess((await process.stdout.readline()).decode().strip(), process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _serve(behaviour: str) -> None:
    async with model({"echo": echo, "hangs": hangs}[behaviour]) as server:
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
