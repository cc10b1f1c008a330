"""Addresses that our own processes listen on."""

from understudy.checks.targets import parse_target


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of a checked `host:port`; a ValueError for anything else."""
    target = parse_target(text)
    if target.scheme != "dns":
        raise ValueError(f"must be host:port, got {text!r}")
    return target.endpoints[0]


def join_address(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
