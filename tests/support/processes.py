"""The real `understudy` command in a process of its own."""

import asyncio
import contextlib
import http.client
import json
import os
import pathlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from understudy.v1 import service_pb2

UNDERSTUDY = str(pathlib.Path(sys.executable).with_name("understudy"))
PATIENCE = 60.0
LOOPBACK = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "status": "127.0.0.1:0"}


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def understudy(*arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        UNDERSTUDY,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@dataclass(frozen=True)
class Control:
    """A running control service."""

    pid: int
    listening: dict[str, str]

    @property
    def address(self) -> str:
        """Where sidecars and commands find it."""
        return self.listening["grpc"]


@dataclass
class Proxy:
    """A running sidecar process."""

    process: asyncio.subprocess.Process
    listening: dict[str, str]
    errors: pathlib.Path

    @property
    def port(self) -> int:
        """The data port."""
        return int(self.listening["data"].rpartition(":")[2])

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """The exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    async def get(
        self, door: str, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and body of a page."""
        return await asyncio.to_thread(_request, self.listening[door], path, method, dict(headers or {}))

    async def until_ready(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self.get("status", "/readyz"))[0] != 200:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.01)

    def log(self) -> list[dict[str, Any]]:
        """Every line on standard error that is one of the log."""
        lines = self.errors.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.log() if line["message"] == message]


def sidecar_file(
    directory: pathlib.Path, what: service_pb2.Service | None = None, **fields: Any
) -> pathlib.Path:
    """A Sidecar file, in JSON: every port is the system's choice."""
    document = {"kind": "Sidecar", **LOOPBACK, **fields}
    if what is not None:
        document["service"] = MessageToDict(what, preserving_proto_field_name=True)
    file = directory / "sidecar.yaml"
    file.write_text(json.dumps(document, indent=1))
    return file


@contextlib.asynccontextmanager
async def proxy(
    file: pathlib.Path, env: Mapping[str, str] | None = None, errors_of: Sequence[str] = ()
) -> AsyncIterator[Proxy]:
    """`understudy proxy --config FILE`, once it has said that it listens; `errors_of` it are expected."""
    errors = file.with_suffix(f".{secrets.token_hex(4)}.err")  # two may run on one file at a time
    with errors.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            UNDERSTUDY,
            "proxy",
            "--config",
            str(file),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(env or {})},
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        assert line, errors.read_text()
        yield Proxy(process, json.loads(line)["listening"], errors)
    finally:
        if process.returncode is None:
            process.kill()
        rest = await process.stdout.read()
        await process.wait()
    assert rest == b""  # the announcement is all that stands there
    assert "Traceback" not in errors.read_text()
    said = [line for line in map(json.loads, _json_lines(errors)) if line["level"] == "error"]
    assert [line for line in said if line["message"] not in errors_of] == []


@contextlib.asynccontextmanager
async def control_process(directory: pathlib.Path, log: pathlib.Path) -> AsyncIterator[Control]:
    """`understudy control` with its store in that directory; stopped in the end, which it must survive."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(UNDERSTUDY, "control", "--store", f"sqlite:///{directory}/understudy.db"),
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            line = await process.stdout.readline()
        yield Control(process.pid, json.loads(line)["listening"])
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _json_lines(file: pathlib.Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.startswith("{")]


def _request(address: str, path: str, method: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
