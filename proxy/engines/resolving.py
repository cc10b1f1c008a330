"""The addresses of a target, by the system's resolver and off every call's path."""

import asyncio
import socket

from understudy.checks.targets import Target


def written(target: Target) -> tuple[str, ...] | None:
    """The addresses that a target itself gives, in gRPC name syntax; None where a name is to be resolved."""
    if target.scheme == "unix":
        return (target.text,)
    named = [name_of(host, port) for host, port in target.endpoints]
    return None if None in named else tuple(dict.fromkeys(name for name in named if name is not None))


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every A and AAAA address of a name, sorted; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    named = {name_of(str(address[0]), port) for *_, address in found}
    return tuple(sorted(name for name in named if name is not None))


def name_of(host: str, port: int) -> str | None:
    """An IP address with its port in gRPC name syntax; None for anything else."""
    for family, name in ((socket.AF_INET, f"ipv4:{host}:{port}"), (socket.AF_INET6, f"ipv6:[{host}]:{port}")):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return name
    return None
