"""What a sidecar of several workers does not start with: one line, as with one process."""

import pathlib
import socket
import subprocess
import sys

import pytest

from tests.support.models import model
from tests.support.processes import LOOPBACK, proxy, sidecar_file, understudy
from tests.support.sidecars import service


@pytest.mark.parametrize("field", ["listen", "admin", "status"])
async def test_a_taken_port_is_a_line(tmp_path: pathlib.Path, field: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        file = sidecar_file(tmp_path, service({"v1": address}), **{**LOOPBACK, field: address})
        ended = await understudy("proxy", "--config", str(file), "--workers", "2")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert ended.err.startswith(f"understudy: {field}: {address} cannot be had")


async def test_what_a_worker_cannot_start_with_is_said_once(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "state"
    follows = {"control": "127.0.0.1:1", "subscribe": "fraud"}
    file = sidecar_file(tmp_path, workers=2, state_dir=str(directory), **follows)
    ended = await understudy("proxy", "--config", str(file))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"understudy: state_dir: {directory}/0 cannot be written: Not a directory\n"


async def test_a_file_against_the_rules_is_a_line(tmp_path: pathlib.Path) -> None:
    file = sidecar_file(tmp_path, service({"v1": "127.0.0.1:1"}), listen=f"unix:{tmp_path}/s")
    ended = await understudy("proxy", "--config", str(file), "--workers", "2")

    assert ended.code == 2
    assert "workers: must be 1 where listen is no port, got 2" in ended.err


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_second_sidecar_is_kept_off_the_port(tmp_path: pathlib.Path, workers: str) -> None:
    async with model() as server:
        file = sidecar_file(tmp_path, service({"v1": server.address}), workers=2)
        async with proxy(file) as one:
            data = one.listening["data"]
            ended = await understudy("proxy", "--config", str(file), "--listen", data, "--workers", workers)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"understudy: listen: {data} cannot be had; is it taken?\n"


def test_a_worker_without_a_parent_is_a_line(tmp_path: pathlib.Path) -> None:
    command = (sys.executable, "-m", "proxy.workers.worker", "0", "2", str(tmp_path), "info")
    ended = subprocess.run(command, input=b"", capture_output=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr == b"understudy: this is a worker of understudy proxy --workers, and has no parent\n"
