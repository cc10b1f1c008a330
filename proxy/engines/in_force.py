"""A table and its connections, in force as one: what a call reads once at its beginning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from proxy.engines.upstream import UNLIMITED, A, Connect, Upstream
from proxy.policy.table import Mirror, Table, Variant
from proxy.policy.tls import VariantTls

Key = tuple[str, str, str, int, VariantTls | None]
"""Role (live | mirror), target, authority, largest answer in bytes, TLS."""


def live_key(variant: Variant) -> Key:
    """Live calls to a variant share one channel."""
    return "live", variant.target, variant.authority, UNLIMITED, variant.tls


def mirror_key(mirror: Mirror) -> Key:
    """Copies have a channel of their own, which refuses an answer that the mirror has no room for."""
    variant, room = mirror.variant, min(mirror.max_bytes, 2**31 - 1)
    return "mirror", variant.target, variant.authority, room, variant.tls


@dataclass(frozen=True, slots=True)
class InForce(Generic[A]):
    """Replaced whole by one assignment; never changed."""

    table: Table
    upstreams: Mapping[Key, Upstream[A]]
    by_name: Mapping[str, Upstream[A]]  # of each variant

    def live(self, variant: Variant) -> Upstream[A]:
        """Where a variant's calls go."""
        return self.by_name[variant.name]

    def mirror(self, mirror: Mirror) -> Upstream[A]:
        """Where a mirror's copies go."""
        return self.upstreams[mirror_key(mirror)]


def build(table: Table, before: Mapping[Key, Upstream[A]], connect: Connect[A]) -> InForce[A]:
    """The table with its connections; those that are open already are kept."""
    upstreams: dict[Key, Upstream[A]] = {}
    for variant in table.variants.values():
        key = live_key(variant)
        upstreams[key] = upstreams.get(key) or before.get(key) or Upstream(variant, connect)
    for route in table.routes:
        for mirror in route.mirrors:
            key = mirror_key(mirror)
            upstreams[key] = (
                upstreams.get(key) or before.get(key) or Upstream(mirror.variant, connect, key[3])
            )
    by_name = {name: upstreams[live_key(variant)] for name, variant in table.variants.items()}
    return InForce(table, upstreams, by_name)
