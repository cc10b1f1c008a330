"""What of a call's metadata passes, and what is added on the way."""

import ipaddress
from collections.abc import Sequence

from grpc.aio import Metadata as GrpcMetadata
from understudy.checks.names import OWN_PREFIX

from proxy.policy.matching import Metadata, values

HOPS_KEY = "x-understudy-hops"
MIRROR_KEY = "x-understudy-mirror"
REQUEST_ID_KEY = "x-request-id"
MAX_HOPS = 3

_NOT_FORWARDED = frozenset({"user-agent"})  # the client library writes its own


def forwarded(
    metadata: Metadata, *, request_id: str, traceparent: str, hops: int, is_mirror: bool
) -> list[tuple[str, str | bytes]]:
    """The caller's metadata as the model server gets it, in its order; our own keys last."""
    passed = [
        (key, value)
        for key, value in metadata
        if key not in _NOT_FORWARDED
        and not key.startswith(OWN_PREFIX)
        and not (traceparent and key == "traceparent")
    ]
    if traceparent:
        passed.append(("traceparent", traceparent))
    if not values(metadata, REQUEST_ID_KEY):
        passed.append((REQUEST_ID_KEY, request_id))
    passed.append((HOPS_KEY, str(hops)))
    if is_mirror:
        passed.append((MIRROR_KEY, "1"))
    return passed


def answered(
    metadata: Metadata, *, variant: str, request_id: str, ticket: str, fallback_from: str
) -> list[tuple[str, str | bytes]]:
    """The model server's metadata as the caller gets it; our own keys last, and only ours."""
    passed = list(metadata)
    if not values(passed, REQUEST_ID_KEY):
        passed.append((REQUEST_ID_KEY, request_id))
    passed += [("x-understudy-variant", variant), ("x-understudy-ticket", ticket)]
    if fallback_from:
        passed.append(("x-understudy-fallback", fallback_from))
    return passed


def received(metadata: GrpcMetadata | None) -> Metadata:
    """A model server's metadata without keys that only the sidecar may set."""
    return [(key, value) for key, value in metadata or () if not key.startswith(OWN_PREFIX)]


class TrustedPeers:
    """Whose `x-understudy-*` metadata is believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def includes(self, peer: str) -> bool:
        """Whether a caller's address, as gRPC writes it (`ipv4:10.0.0.1:5555`), is one of them."""
        if not self._networks:
            return False
        scheme, _, rest = peer.partition(":")
        host = rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
        if scheme not in ("ipv4", "ipv6"):
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def hops_of(metadata: Metadata) -> int:
    """How many sidecars a trusted call passed already; a text that is no number counts as too many."""
    found = values(metadata, HOPS_KEY)
    if not found:
        return 0
    return int(found[-1]) if found[-1].isascii() and found[-1].isdigit() else MAX_HOPS
