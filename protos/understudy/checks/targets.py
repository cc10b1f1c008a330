"""Where a model server or one of our own processes listens, in gRPC name syntax.

Source: gRPC Name Resolution (doc/naming.md in the gRPC repository). Understood: `host:port`,
`dns:///host:port`, `unix:/path`, `ipv4:a:p,b:p`, `ipv6:[a]:p,[b]:p`.
"""

import ipaddress
import re
from dataclasses import dataclass

from understudy.checks.violation import Violation

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed target: a unix socket's path, or hosts with ports."""

    scheme: str  # dns | ipv4 | ipv6 | unix
    endpoints: tuple[tuple[str, int], ...] = ()
    path: str = ""

    @property
    def text(self) -> str:
        """The target as gRPC takes it."""
        if self.scheme == "unix":
            return f"unix:{self.path}"
        pairs = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.endpoints]
        return f"dns:///{pairs[0]}" if self.scheme == "dns" else f"{self.scheme}:{','.join(pairs)}"


def parse_target(text: str) -> Target:
    """Parse a target; a ValueError says what is wrong with it."""
    scheme, separator, rest = text.partition(":")
    if separator and scheme == "unix":
        return _parse_unix(rest)
    if separator and scheme in ("ipv4", "ipv6"):
        return Target(scheme, tuple(_parse_ip(item, scheme) for item in rest.split(",")))
    if text.startswith("dns:"):
        authority, slashes, name = rest.removeprefix("//").rpartition("/")
        if slashes and authority:
            raise ValueError(f"a DNS server of its own is not supported: write dns:///{name}")
        return Target("dns", (_parse_host_port(name or rest),))
    if "://" in text:
        raise ValueError(
            f"scheme {scheme!r} is not known: use host:port, dns:///host:port, unix:/path or ipv4:"
        )
    return Target("dns", (_parse_host_port(text),))


def check_target(text: str, path: str) -> list[Violation]:
    """A target that can be dialled: parses, and has a port other than 0."""
    try:
        target = parse_target(text)
    except ValueError as error:
        return [Violation(path, f"{error}, got {text!r}" if text else "is required")]
    if any(port == 0 for _, port in target.endpoints):
        return [Violation(path, f"must have a port from 1 to 65535, got {text!r}")]
    return []


def check_listen(text: str, path: str, *, unix: bool = False) -> list[Violation]:
    """An address to listen on: `host:port`, or `unix:/path` for those that can; port 0 is any."""
    try:
        target = parse_target(text)
    except ValueError as error:
        return [Violation(path, f"{error}, got {text!r}")]
    is_unix = unix and target.scheme == "unix"
    is_host = target.scheme == "dns" and not text.startswith("dns:")
    if is_unix or is_host:
        return []
    return [Violation(path, f"must be host:port{' or unix:/path' if unix else ''}, got {text!r}")]


def is_host(text: str) -> bool:
    """A host name or an IP address, as it can stand in a target."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST.fullmatch(text) is not None
    return True


def _parse_unix(rest: str) -> Target:
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if not path or path.startswith("//"):
        raise ValueError("must name a socket's path, as unix:/path")
    if len(path.encode()) > 107:
        raise ValueError("must be at most 107 bytes of path")
    return Target("unix", path=path)


def _parse_host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("must be host:port")
    if host.startswith("[") and host.endswith("]"):
        host = _ip(host[1:-1], 6)
    elif ":" in host:
        raise ValueError("must have an IPv6 address in brackets, as [::1]:8001")
    elif not _HOST.fullmatch(host):
        raise ValueError("must be host:port with a host name or an IP address")
    return host, _parse_port(port)


def _parse_ip(text: str, scheme: str) -> tuple[str, int]:
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        raise ValueError(f"must be {scheme}:address:port, with commas between several")
    return _ip(host.removeprefix("[").removesuffix("]"), 4 if scheme == "ipv4" else 6), _parse_port(port)


def _ip(text: str, version: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"must have an IPv{version} address") from None
    if address.version != version:
        raise ValueError(f"must have an IPv{version} address")
    return str(address)


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ValueError("must have a port from 1 to 65535")
    return int(text)
