"""`rollout watch` on a terminal, where it draws in place: a real process on a pseudo-terminal."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from understudy.v1 import rollouts_pb2

from tests.support.fake_control import Script, fake_control
from tests.support.statuses import rollout_status
from tests.support.terminal import Terminal

FOOT = "Ctrl-C stops watching"


class Stage:
    """A stream that waits for its cue before each further status."""

    def __init__(self) -> None:
        self.cues: asyncio.Queue[rollouts_pb2.WatchResponse] = asyncio.Queue()

    async def __call__(self) -> AsyncIterator[rollouts_pb2.WatchResponse]:
        while True:
            yield await self.cues.get()

    def cue(self, phase: str, reason: str, *, elapsed: int = 725) -> None:
        status = rollout_status()
        status.phase, status.reason = phase, reason
        status.stages[1].elapsed.seconds = elapsed
        self.cues.put_nowait(rollouts_pb2.WatchResponse(rollout=status))


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def address(stage: Stage) -> AsyncIterator[str]:
    async with fake_control(Script({"Rollouts.Watch": stage})) as address:
        yield address


async def reads(terminal: Terminal, text: str) -> None:
    async with asyncio.timeout(20):
        await asyncio.to_thread(terminal.read_until, text)


async def finishes(terminal: Terminal) -> int:
    async with asyncio.timeout(20):
        return await asyncio.to_thread(terminal.finish)


async def test_a_status_is_drawn_over_the_one_before(stage, address):
    with Terminal("rollout", "watch", "fraud-v2", "--control", address) as terminal:
        stage.cue("Progressing", "a long reason that is to leave no trace")
        await reads(terminal, FOOT)
        stage.cue("Progressing", "short", elapsed=1200)
        await reads(terminal, "20m of 30m")
        await reads(terminal, FOOT)
        shown = terminal.screen()
        stage.cue("Succeeded", "v2 is stable")
        code = await finishes(terminal)

    assert shown[0] == "fraud-v2  Progressing: short"
    assert sum(line.startswith("fraud-v2") for line in shown) == 1
    assert any("[#############-------] 20m of 30m" in line for line in shown)
    assert code == 0
    assert terminal.screen()[0] == "fraud-v2  Succeeded: v2 is stable"
    assert not any(FOOT in line for line in terminal.screen())
    assert terminal.written.count("\x1b[?25l") == terminal.written.count("\x1b[?25h") == 1


async def test_ctrl_c_leaves_the_last_picture_and_the_cursor(stage, address):
    with Terminal("rollout", "watch", "fraud-v2", "--control", address) as terminal:
        stage.cue("Progressing", "baking")
        await reads(terminal, FOOT)
        terminal.interrupt()
        code = await finishes(terminal)

    assert code == 130
    assert terminal.written.rstrip().endswith("\x1b[?25h")
    assert terminal.screen()[0] == "fraud-v2  Progressing: baking"
    assert "Traceback" not in terminal.written


async def test_a_window_made_smaller_cuts_the_picture_at_the_next_second(stage, address):
    with Terminal("rollout", "watch", "fraud-v2", "--control", address) as terminal:
        stage.cue("Progressing", "baking")
        await reads(terminal, FOOT)
        terminal.resize(40, 12)
        await reads(terminal, "more lines")
        drawn = re.split(r"\x1b\[\d+A", terminal.written.rpartition("\x1b[J")[0])[-1]
        terminal.interrupt()
        await finishes(terminal)

    lines = drawn.replace("\x1b[K", "").split("\r\n")
    assert max(len(line) for line in lines) < 40
    assert len(lines) == 12
