"""Which sticky keys a route has met, as salted hashes: no key is kept or told in clear.

For the test of the split that is observed against the split that was asked for: every user counts once,
however busy. The hash is keyed with the tickets' secret where there is one, and salted by service and
rollout: all sidecars of a rollout know a user by the same number, and no two rollouts do. It has no relation
to the hash that decides the split. A route stops taking new keys at a bound; which keys are taken then has
nothing to do with where the split sent them.
"""

import hashlib

from proxy.policy.table import Table

MOST = 65_536
"""Keys of one route under one configuration."""

NUL = b"\0"


class Met:
    """The keys met under the configuration in force; begun anew with every other one."""

    def __init__(self, secret: bytes = b"") -> None:
        self._secret = secret
        self._at: tuple[str, int, int] | None = None
        self._salt = b""
        self._seen: dict[str, set[int]] = {}

    def __repr__(self) -> str:
        return f"<Met {sum(map(len, self._seen.values()))} keys>"

    def first(self, table: Table, route: str, key: bytes) -> int | None:
        """The key's number where it is met for the first time, else None."""
        at = (table.service, table.epoch, table.version)
        if at != self._at:
            self._at, self._seen = at, {}
            parts = (b"met", table.service.encode(), table.rollout.encode(), self._secret)
            self._salt = hashlib.blake2b(NUL.join(parts), digest_size=32).digest()
        seen = self._seen.setdefault(route, set())
        if len(seen) >= MOST:
            return None
        hashed = int.from_bytes(hashlib.blake2b(key, digest_size=8, key=self._salt).digest(), "big")
        if hashed in seen:
            return None
        seen.add(hashed)
        return hashed
