"""The demo when something comes between: the real command and its real processes, in a folder of its own."""

import contextlib
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.command import run
from tests.support.eventually import eventually

COMMAND = (sys.executable, "-c", "from understudy.cli import main; main()", "demo")
PROCESSES = 6  # three models, the control service, the sidecar, the callers


def children_of(pid: int) -> dict[int, str]:
    """Its children that run, and their command lines."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def demo(tmp_path: pathlib.Path) -> Iterator[subprocess.Popen[str]]:
    """A demo whose callers have begun to call."""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            for line in process.stdout:
                if "rollout start" in line:
                    break
            yield process
        finally:
            process.terminate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_demo_that_is_told_to_stop_leaves_no_process_and_no_file(demo, tmp_path, number):
    children = await eventually(lambda: len(found := children_of(demo.pid)) >= PROCESSES and found)
    demo.send_signal(number)
    out, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (130, "")
    assert out.endswith("stopped every process and removed every file\n")
    assert [text for pid, text in children.items() if runs(pid)] == []
    assert list(tmp_path.iterdir()) == []


async def test_a_process_that_dies_ends_the_demo_with_its_name(demo, tmp_path):
    children = await eventually(lambda: len(found := children_of(demo.pid)) >= PROCESSES and found)
    (victim,) = [pid for pid, text in children.items() if "--model v3" in text]
    os.kill(victim, signal.SIGKILL)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert err.startswith("the demo failed: v3 ended with exit code -9:")
    assert [text for pid, text in children.items() if runs(pid)] == []
    assert list(tmp_path.iterdir()) == []


def test_without_scikit_learn_it_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = run("demo")
    assert (result.exit_code, result.out) == (1, "")
    assert result.err == "understudy: demo needs a checkout and scikit-learn: run make demo\n"
