"""The processes of these tests: MLServer from this environment, the sidecar from the project's own.

MLServer does not tell which port it got, so it is given one that was free a moment ago: one from below the
range that the system gives to outgoing connections, which may not take it while a killed server is away.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

ROOT = pathlib.Path(__file__).parents[2]
UNDERSTUDY = ROOT / ".venv" / "bin" / "understudy"
MLSERVER = pathlib.Path(sys.executable).parent / "mlserver"
DEADLINE = 120.0  # seconds; only a broken program needs them
MAX_MESSAGE = 64 * 1024 * 1024
CHANNEL = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


class Died(Exception):
    """A process ended before it was ready; says what it wrote last."""


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """What `look` returns as soon as it is true."""
    async with asyncio.timeout(DEADLINE):
        while not (found := await look()):  # noqa: ASYNC110  # another process tells no event
            await asyncio.sleep(0.05)
    return found


@contextlib.asynccontextmanager
async def triton(address: str) -> AsyncIterator[InferenceServerClient]:
    """Triton's client."""
    client = InferenceServerClient(address, channel_args=CHANNEL)
    try:
        yield client
    finally:
        await client.close()


class ModelServer:
    """One MLServer process over a folder; may be killed and started again, on the same port."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._log = folder.with_suffix(".log")
        self._process: asyncio.subprocess.Process | None = None
        self.address = f"127.0.0.1:{_free_port()}"

    def __repr__(self) -> str:
        return f"<ModelServer {self._folder.name} {self.address}>"

    async def start(self) -> None:
        """Start it and wait until it serves; does nothing where it runs."""
        if self._process is not None:
            return
        settings = {
            "debug": False,
            "host": "127.0.0.1",
            "grpc_port": int(self.address.rpartition(":")[2]),
            "http_port": 0,
            "grpc_max_message_length": MAX_MESSAGE,
            "parallel_workers": 0,
            "metrics_endpoint": None,
        }
        (self._folder / "settings.json").write_text(json.dumps(settings))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                MLSERVER,
                "start",
                self._folder,
                cwd=self._folder,
                env=_environment() | {"OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await eventually(self._is_ready)

    async def kill(self) -> None:
        """End it at once, whatever is in flight."""
        if self._process is not None:
            process, self._process = self._process, None
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _is_ready(self) -> bool:
        if self._process is None or self._process.returncode is not None:
            raise Died(f"{self} ended:\n{_tail(self._log)}")
        async with triton(self.address) as client:
            try:
                return await client.is_server_ready(client_timeout=5)
            except InferenceServerException:
                return False


@dataclass(frozen=True)
class Sidecar:
    """A sidecar that serves."""

    address: str
    admin: str

    async def count(self, name: str, **labels: str) -> float:
        """The sum of a counter over everything that has these labels."""
        body = await asyncio.to_thread(_get, f"http://{self.admin}/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(body)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def until_mirrored(self, variant: str, copies: int) -> dict[str, int]:
        """The outcomes of a shadow's copies, once so many have one."""

        async def all_of_them() -> bool:
            return await self.count("understudy_mirror_total", variant=variant) >= copies

        await eventually(all_of_them)
        assert await self.count("understudy_mirror_seen_total", variant=variant) == copies
        outcomes = {
            outcome: int(await self.count("understudy_mirror_total", variant=variant, outcome=outcome))
            for outcome in ("match", "mismatch", "unreachable", "error", "dropped_breaker")
        }
        assert sum(outcomes.values()) == copies
        return {outcome: count for outcome, count in outcomes.items() if count}


@contextlib.asynccontextmanager
async def sidecar(folder: pathlib.Path, service: dict[str, Any]) -> AsyncIterator[Sidecar]:
    """A sidecar in front of a service, on ports of the system's."""
    loopback = "127.0.0.1:0"
    config = folder / "sidecar.json"
    fields = {
        "kind": "Sidecar",
        "listen": loopback,
        "admin": loopback,
        "status": loopback,
        "service": service,
    }
    config.write_text(json.dumps(fields))
    log_path = folder / "sidecar.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            UNDERSTUDY,
            "proxy",
            "--config",
            config,
            env=_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE):
            line = await process.stdout.readline()
        if not line:
            raise Died(f"the sidecar ended:\n{_tail(log_path)}")
        listening = json.loads(line)["listening"]
        yield Sidecar(listening["data"], listening["admin"])
        process.terminate()
        async with asyncio.timeout(DEADLINE):
            assert await process.wait() == 0, _tail(log_path)
        assert "Traceback" not in log_path.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def raw_channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """For what Triton's client does not show: metadata, and streams as MLServer speaks them."""
    async with grpc.aio.insecure_channel(address, options=CHANNEL) as channel:
        yield channel


def _free_port() -> int:
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  # not a secret
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _environment() -> dict[str, str]:
    """The caller's, without what would set flags and settings behind these tests' back."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("UNDERSTUDY_", "MLSERVER_"))
    }


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        return answer.read().decode()


def _tail(log: pathlib.Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
