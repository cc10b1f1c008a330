"""The addresses of a target, by the system's resolver and off every call's path."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

from understudy.checks.targets import Target

_Found = list[tuple[Any, ...]]
"""What the system's resolver says."""


def written(target: Target) -> tuple[str, ...] | None:
    """The addresses that a target itself gives, in gRPC name syntax; None where a name is to be resolved."""
    if target.scheme == "unix":
        return (target.text,)
    named = [name_of(host, port) for host, port in target.endpoints]
    return None if None in named else tuple(dict.fromkeys(name for name in named if name is not None))


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every A and AAAA address of a name, sorted; raises OSError.

    In a thread of its own: the loop's few would let names that cannot be resolved hold up all others, and the
    process, which waits for those threads at its exit.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Found] = loop.create_future()

    def look_up() -> None:
        found: _Found | OSError
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            found = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(_settle, answer, found)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    found = await answer
    named = {name_of(str(address[0]), port) for *_, address in found}
    return tuple(sorted(name for name in named if name is not None))


def _settle(answer: "asyncio.Future[_Found]", found: _Found | OSError) -> None:
    if answer.done():  # given up
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def name_of(host: str, port: int) -> str | None:
    """An IP address with its port in gRPC name syntax; None for anything else."""
    for family, name in ((socket.AF_INET, f"ipv4:{host}:{port}"), (socket.AF_INET6, f"ipv6:[{host}]:{port}")):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return name
    return None


def host_of(name: str) -> str:
    """The IP address in such a name."""
    return name.partition(":")[2].rpartition(":")[0].strip("[]").partition("%")[0]
