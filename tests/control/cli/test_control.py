"""`understudy control`: as a process of its own, and what it refuses to start with."""

import asyncio
import json
import os
import pathlib
import signal
import socket
import sys
from collections.abc import Sequence

import pytest
from understudy.loading import InvalidFile

from control.cli.control import load_control
from control.process import Config
from tests.support.command import run

PORTS = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")


async def start(*arguments: str, directory: pathlib.Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        pathlib.Path(sys.executable).parent / "understudy",
        "control",
        *arguments,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ending(process: asyncio.subprocess.Process) -> list[str]:
    """What it wrote on standard error, by line, once it has ended.

    gRPC inside this test's own process may say a word there between the fork and the exec.
    """
    _, err = await process.communicate()
    return [line for line in err.decode().splitlines() if "fork_posix.cc" not in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_when_it_is_ready_and_ends_when_asked(
    tmp_path: pathlib.Path, number: signal.Signals
) -> None:
    process = await start(*PORTS, directory=tmp_path)
    assert process.stdout is not None
    listening = json.loads(await process.stdout.readline())["listening"]
    assert set(listening) == {"grpc", "http"}
    for address in listening.values():
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.close()
        await writer.wait_closed()
    process.send_signal(number)
    async with asyncio.timeout(30):
        err = await ending(process)
    assert process.returncode == 0
    assert [json.loads(line)["message"] for line in err] == ["stopping"]
    assert (tmp_path / "understudy.db").exists()


@pytest.mark.parametrize("flag", ["listen", "http"])
async def test_a_taken_port_is_one_line(tmp_path: pathlib.Path, flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = await start(*PORTS, f"--{flag}", address, directory=tmp_path)
        [line] = await ending(process)
    assert process.returncode == 1
    assert line.startswith(f"understudy: {flag}: {address} cannot be had: ")


async def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: pathlib.Path) -> None:
    process = await start(*PORTS, "--store", "sqlite:///no/where.db", directory=tmp_path)
    [line] = await ending(process)
    assert process.returncode == 1
    assert (
        line == "understudy: store: no/where.db: cannot be opened; its directory must exist and be writable"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
async def test_a_read_only_store_is_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "understudy.db").touch(mode=0o400)
    process = await start(*PORTS, directory=tmp_path)
    [line] = await ending(process)
    assert process.returncode == 1
    assert line.endswith("is read-only; the control service must be able to write it")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--store", "mysql://x"), "--store: must be sqlite:///PATH, got 'mysql://x'"),
        (("--listen", "nowhere"), "--listen: "),
        (("--min-acked", "2"), "--min-acked: "),
        (("--min-acked", "most"), "--min-acked: must be a share such as 0.9 or 90%, got 'most'"),
        (("--ack-timeout", "5"), "--ack-timeout: must be a duration such as"),
        (("--ack-timeout", "0s"), "--ack-timeout: must be"),
        (("--notify", "ftp://x"), "--notify: must be an http:// or https:// address"),
        (("--trace-url", "http://x"), "--trace-url: must have {trace_id} in it"),
        (("--config", "no-such.yaml"), "no-such.yaml: cannot be read"),
    ],
)
def test_what_is_refused(arguments: Sequence[str], line: str) -> None:
    result = run("control", *arguments)
    assert result.exit_code == 2
    assert result.err.startswith(line)
    assert result.err.count("\n") == 1


def test_flags_go_over_the_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "control.yaml"
    file.write_text("kind: Control\nlisten: 0.0.0.0:1\nhttp: 0.0.0.0:2\nmin_acked: 50%\nack_timeout: 5s\n")
    config = Config.from_proto(load_control(file, {"listen": "127.0.0.1:3", "ack_timeout": "250ms"}))
    assert (config.listen, config.http) == ("127.0.0.1:3", "0.0.0.0:2")
    assert (config.settings.min_acked, config.settings.ack_timeout) == (0.5, 0.25)


def test_what_the_file_breaks_is_told_by_its_line(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "control.yaml"
    file.write_text("kind: Control\nlisten: 127.0.0.1:1\ntrace_url: http://x\n")
    with pytest.raises(InvalidFile) as found:
        load_control(file, {"min_acked": "2"})
    assert found.value.problems[0].startswith("--min-acked: ")
    assert found.value.problems[1] == f"{file}:3: trace_url: must have {{trace_id}} in it"


def test_nothing_said_is_the_defaults() -> None:
    config = Config.from_proto(load_control(None, {}))
    assert (config.listen, config.http) == ("127.0.0.1:7080", "127.0.0.1:7081")
    assert config.store == "sqlite:///understudy.db"
    assert (config.settings.min_acked, config.settings.ack_timeout) == (1.0, 60.0)
