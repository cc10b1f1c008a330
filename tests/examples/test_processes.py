"""The demo's processes: heard, watched, and gone in the end, whatever happens. Real ones."""

import asyncio
import os
import pathlib
import sys

import pytest

from examples.demo import processes
from examples.demo.processes import Died, Processes
from tests.support.eventually import eventually

READY = "import json, sys, time; print(json.dumps({'listening': {'data': 'x:1'}}), flush=True)\n"


def python(*lines: str) -> tuple[str, ...]:
    return (sys.executable, "-c", "\n".join(lines))


def staying(pids: pathlib.Path, *before: str) -> tuple[str, ...]:
    """A process that notes its id, says that it is ready, and stays."""
    note = f"import os; open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')"
    return python(note, *before, READY, "time.sleep(60)")


def alive(pids: pathlib.Path) -> list[int]:
    return [pid for pid in map(int, pids.read_text().split()) if _exists(pid)]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_process_tells_where_it_listens_and_ends_with_the_context(tmp_path):
    async with Processes(tmp_path) as running:
        assert await running.start("one", *staying(tmp_path / "pids")) == {"data": "x:1"}
        assert len(alive(tmp_path / "pids")) == 1
        running.check()
    assert alive(tmp_path / "pids") == []


async def test_one_that_ends_before_it_is_ready_has_died_with_its_log(tmp_path):
    async with Processes(tmp_path) as running:
        with pytest.raises(Died, match=r"one ended before it was ready:\nno such model"):
            await running.start("one", *python("import sys", "sys.exit('no such model')"))


async def test_one_that_never_gets_ready_has_died(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "READY", 0.2)
    async with Processes(tmp_path) as running:
        with pytest.raises(Died, match=r"one was not ready after 0.2 s"):
            await running.start("one", *python("import time", "time.sleep(60)"))


async def test_one_that_ends_later_is_found_with_its_log(tmp_path):
    async with Processes(tmp_path) as running:
        await running.start("one", *python(READY, "sys.exit('out of luck')"))
        await eventually(running.ended)
        with pytest.raises(Died, match=r"one ended with exit code 1:\nout of luck"):
            running.check()


async def test_a_stubborn_one_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    async with Processes(tmp_path) as running:
        await running.start("one", *staying(tmp_path / "pids", deaf))
        assert await running.stop("one") < 0
    assert alive(tmp_path / "pids") == []


async def test_all_are_ended_even_if_their_ending_is_interrupted(tmp_path):
    """given three that take their time to end, when the ending is cancelled, then none is left."""
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    ready = asyncio.Event()

    async def interrupted() -> None:
        async with Processes(tmp_path) as running:
            for name in ("one", "two", "three"):
                await running.start(name, *staying(tmp_path / "pids", deaf))
            ready.set()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(interrupted())
        await ready.wait()
        task.cancel()
    await eventually(lambda: not alive(tmp_path / "pids"))


async def test_every_exit_code_is_told(tmp_path):
    async with Processes(tmp_path) as running:
        await running.start("good", *python(READY))
        await running.start("bad", *python(READY, "sys.exit(3)"))
        await eventually(lambda: running.ended() == {"good", "bad"})
        assert await running.stop_all() == {"bad": 3, "good": 0}


async def test_a_command_that_fails_has_died_with_what_it_said(tmp_path):
    async with Processes(tmp_path) as running:
        assert await running.run(*python("print('done')")) == "done\n"
        with pytest.raises(Died, match=r"exit code 2\nno such file"):
            await running.run(*python("import sys", "print('no such file', file=sys.stderr)", "sys.exit(2)"))


async def test_flags_of_the_caller_reach_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_CONTROL", "127.0.0.1:1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    async with Processes(tmp_path) as running:
        said = await running.run(
            *python("import os", "print('UNDERSTUDY_CONTROL' in os.environ, os.environ['OTEL_SERVICE_NAME'])")
        )
    assert said == "False mine\n"
