"""Names are resolved off the loop, each by itself, and hold up nothing."""

import asyncio
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from proxy.engines.resolving import resolve
from tests.support.eventually import eventually


def looking_up(name: str) -> int:
    """Names that begin so and are being looked up."""
    return sum(thread.name.startswith(f"resolve {name}") for thread in threading.enumerate())


GIVES_UP = """
import asyncio, contextlib, socket, threading, uvloop
from proxy.engines.resolving import resolve
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
async def main():
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.gather(*(resolve(f"name-{number}", 1) for number in range(20)))
    print("given up", flush=True)
uvloop.run(main())
"""


async def test_a_name_has_its_addresses() -> None:
    found = await resolve("localhost", 8001)

    assert "ipv4:127.0.0.1:8001" in found
    assert list(found) == sorted(found)


async def test_a_name_that_is_not_known_raises() -> None:
    with pytest.raises(socket.gaierror):
        await resolve("nowhere.invalid", 1)


async def test_names_that_take_long_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    ask = socket.getaddrinfo

    def slow(host: Any, *arguments: Any, **options: Any) -> Any:
        if str(host).startswith("slow"):
            released.wait()
        return ask("localhost", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(resolve(f"slow-{number}", 1)) for number in range(50)]
        await eventually(
            lambda: sum(one.name.startswith("resolve slow") for one in threading.enumerate()) == 50
        )
        found = await resolve("quick", 1)
        assert not any(task.done() for task in waiting)
        released.set()

    assert found
    assert {task.result() for task in waiting} == {found}


def test_a_look_up_that_does_not_end_holds_up_no_exit() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", GIVES_UP], capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "given up\n", "")
