"""What is kept of a call while it lasts, to copy and to compare it: within the room that mirrors have."""

from proxy.compare.answers import PER_MESSAGE
from proxy.policy.admission import MirrorLimits


class Kept:
    """Requests or answers, in the parts that they came in: up to `room` bytes, and as much as is left for
    all mirrors together. Nothing where `room` is below zero.

    `uncounted` are bytes that are no message's and that nobody has to have room for.
    """

    __slots__ = ("_held", "_limits", "_parts", "_room", "_uncounted")

    def __init__(self, room: int, limits: MirrorLimits, uncounted: int = 0) -> None:
        self._limits = limits
        self._room = room
        self._uncounted = uncounted
        self._held = 0
        self._parts: list[bytes] = []

    def __repr__(self) -> str:
        return f"<Kept {self._held} bytes of {self._room}>"

    @property
    def parts(self) -> tuple[bytes, ...] | None:
        """All of them; None where they did not fit."""
        return tuple(self._parts) if self._room >= 0 else None

    @property
    def held(self) -> int:
        """Bytes that count."""
        return self._held

    def add(self, part: bytes) -> None:
        """Keep one more, as long as there is room."""
        if self._room < 0:
            return
        size = len(part) + (PER_MESSAGE if self._parts else 0)
        if self._uncounted:
            free = min(size, self._uncounted)
            self._uncounted -= free
            size -= free
        if self._held + size > self._room or not self._limits.reserve(size):
            self.forget()
            return
        self._held += size
        self._parts.append(part)

    def forget(self) -> None:
        """Nothing of it is needed any more, and nothing more is kept."""
        self._limits.give_back(self._held)
        self._room, self._held = -1, 0
        self._parts.clear()
