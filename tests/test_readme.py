"""Every example of the README runs: its files are checked, its commands are run in order as one session.

The commands are run as they stand, in one folder, by a real shell. Only the ports differ: free
ones, replaced in the text and given to flags by the environment.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
FILES = [body for language, body in BLOCKS if language == "yaml"]
COMMANDS = [
    line.removeprefix("$ ")
    for language, body in BLOCKS
    if language == "console"
    for line in body.splitlines()
]
PORTS = ("7070", "7071", "7072", "7080", "7081", "8001", "8002")


def test_the_readme_has_files_and_commands():
    assert len(FILES) >= 5
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("body", FILES)
def test_every_file_is_clean(tmp_path, body):
    path = tmp_path / "example.yaml"
    path.write_text(body)
    assert problems_of(path) == []


def problems_of(path: pathlib.Path) -> list[str]:
    result = understudy("lint", "-f", str(path))
    return [] if result.returncode == 0 else (result.stdout + result.stderr).splitlines()


def understudy(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from understudy.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def free_ports() -> dict[str, str]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = {name: str(one.getsockname()[1]) for name, one in zip(PORTS, held, strict=True)}
    for one in held:
        one.close()
    return ports


class Session:
    """A reader's terminal."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.ports = free_ports()
        self.background: list[subprocess.Popen[bytes]] = []
        binaries = pathlib.Path(sys.executable).parent
        self.environment = os.environ | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "UNDERSTUDY_CONTROL_LISTEN": f"127.0.0.1:{self.ports['7080']}",
            "UNDERSTUDY_CONTROL_HTTP": f"127.0.0.1:{self.ports['7081']}",
            "UNDERSTUDY_PROXY_ADMIN": f"127.0.0.1:{self.ports['7071']}",
            "UNDERSTUDY_PROXY_STATUS": f"127.0.0.1:{self.ports['7072']}",
            "UNDERSTUDY_DRAIN_ADMIN": f"127.0.0.1:{self.ports['7071']}",
            "UNDERSTUDY_CONTROL": f"127.0.0.1:{self.ports['7080']}",
        }

    def with_ports(self, text: str) -> str:
        return re.sub(r"127\.0\.0\.1:(\d{4})", lambda m: f"127.0.0.1:{self.ports[m[1]]}", text)

    def run(self, line: str) -> None:
        if line.endswith(" &"):
            self.start(self.with_ports(line.removesuffix(" &")))
            return
        done = subprocess.run(  # noqa: S602  # the commands are the README.s own
            self.with_ports(line),
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"

    def start(self, line: str) -> None:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.background.append(process)
        assert process.stdout is not None
        assert b"listening" in process.stdout.readline(), f"{line} did not start"

    def close(self) -> None:
        for process in reversed(self.background):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            assert process.stdout is not None
            process.stdout.read()
            process.stdout.close()
            process.wait(20)


@pytest.fixture
def session(tmp_path):
    session = Session(tmp_path)
    for body in FILES:
        if named := re.match(r"# (\S+\.yaml)\n", body):
            (tmp_path / named[1]).write_text(session.with_ports(body))
    yield session
    session.close()


def test_the_commands_run_in_order(session):
    for line in COMMANDS:
        session.run(line)
