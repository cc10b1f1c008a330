"""The marks that sidecars leave on calls, and whose marks are believed."""

import ipaddress
from collections.abc import Sequence

from proxy.policy.matching import Metadata, values

HOPS_KEY = "x-understudy-hops"
MIRROR_KEY = "x-understudy-mirror"
MAX_HOPS = 3


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
