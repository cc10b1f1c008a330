"""How much is taken on at once: calls, and copies with the bytes they hold."""

from collections import defaultdict
from collections.abc import Callable

from proxy.policy.table import Mirror


class CallLimits:
    """Counts calls under way, and says when there are too many and when there are none left."""

    def __init__(self, in_flight: int, in_flight_per_variant: int) -> None:
        self._limit = in_flight
        self._variant_limit = in_flight_per_variant
        self.in_flight = 0
        self.begun = 0
        self.by_variant: dict[str, int] = defaultdict(int)
        self.on_idle: Callable[[], None] = _nothing

    def __repr__(self) -> str:
        return f"<CallLimits {self.in_flight}/{self._limit} {dict(self.by_variant)}>"

    def enter(self) -> bool:
        """Take on one call, if there is room; it must then `leave`."""
        if self.in_flight >= self._limit:
            return False
        self.in_flight += 1
        self.begun += 1
        return True

    def leave(self) -> None:
        """One call taken on has ended."""
        self.in_flight -= 1
        if self.in_flight == 0:
            self.on_idle()

    def enter_variant(self, variant: str) -> bool:
        """Send one call to a variant, if there is room; it must then `leave_variant`."""
        if self.by_variant[variant] >= self._variant_limit:
            return False
        self.by_variant[variant] += 1
        return True

    def leave_variant(self, variant: str) -> None:
        """One call sent to a variant has ended."""
        self.by_variant[variant] -= 1


class MirrorLimits:
    """Counts copies and the bytes they hold: each (route, mirror) by itself, bytes also all together.

    `admit` returns None and holds, or returns the outcome that the dropped copy counts as. Where a sidecar
    has several `workers`, this one keeps its part of what a mirror may hold.
    """

    def __init__(self, max_bytes: int, workers: int = 1) -> None:
        self.max_bytes = max_bytes
        self._workers = workers
        self.bytes_held = 0
        self._in_flight: dict[tuple[str, str], int] = defaultdict(int)
        self._bytes: dict[tuple[str, str], int] = defaultdict(int)

    def __repr__(self) -> str:
        return f"<MirrorLimits {self.bytes_held}/{self.max_bytes} bytes, {dict(self._in_flight)}>"

    def admit(self, route: str, mirror: Mirror, size: int) -> str | None:
        """Take on one copy of `size` bytes; it must then be given back by `release`."""
        key = (route, mirror.variant.name)
        if self._in_flight[key] >= max(1, mirror.max_in_flight // self._workers):
            return "dropped_in_flight"
        if not self.hold(route, mirror, size):
            return "dropped_bytes"
        self._in_flight[key] += 1
        return None

    def hold(self, route: str, mirror: Mirror, size: int) -> bool:
        """Hold more bytes for a copy, if they fit."""
        key = (route, mirror.variant.name)
        most = mirror.max_bytes // self._workers
        if self._bytes[key] + size > most or self.bytes_held + size > self.max_bytes:
            return False
        self._bytes[key] += size
        self.bytes_held += size
        return True

    def reserve(self, size: int) -> bool:
        """Hold bytes that are no copy's yet, if they fit; they are given back before a copy holds them."""
        if self.bytes_held + size > self.max_bytes:
            return False
        self.bytes_held += size
        return True

    def give_back(self, size: int) -> None:
        """Hold that much less."""
        self.bytes_held -= size

    def let_go(self, route: str, mirror: Mirror, size: int) -> None:
        """A copy that is still under way holds that much less."""
        self._bytes[route, mirror.variant.name] -= size
        self.bytes_held -= size

    def release(self, route: str, mirror: Mirror, size: int) -> None:
        """One copy has ended; it held `size` bytes in all."""
        key = (route, mirror.variant.name)
        self._in_flight[key] -= 1
        self._bytes[key] -= size
        self.bytes_held -= size


def _nothing() -> None:
    """Nobody waits for the last call."""
