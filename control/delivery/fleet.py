"""Every sidecar that is connected or was since this process started. In memory: it is true again within
seconds of a restart, since sidecars come back by themselves.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from control.signals import Changes

Snapshot = tuple[int, int]
"""Epoch and version, compared in that order."""


class Answer(StrEnum):
    """What a sidecar said of the newest snapshot that is meant for it."""

    NONE = ""  # there is none
    WAITING = "waiting"
    ACK = "ack"
    NACK = "nack"


@dataclass(slots=True)
class Sidecar:
    """One sidecar process. Times are seconds since the Unix epoch."""

    node: str
    boot_id: str
    service: str
    connected: bool = True
    in_force: Snapshot = (0, 0)
    sent: Snapshot = (0, 0)
    answer: Answer = Answer.NONE
    error: str = ""
    connected_at: float = 0.0
    answered_at: float | None = None
    reported_at: float | None = None
    health: dict[str, tuple[bool, str]] = field(default_factory=dict)  # variant: live, why not
    streams: int = 0
    is_ahead: bool = False  # it runs what is newer than anything this control service has

    def runs(self, wanted: Snapshot, epoch: int) -> bool:
        """Whether `wanted`, or something newer of ours, is in force there."""
        return not self.is_ahead and wanted <= self.in_force and self.in_force[0] <= epoch


class Fleet:
    """The sidecars. `changes` tells of every difference that an operator could see."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self._sidecars: dict[tuple[str, str, str], Sidecar] = {}

    def __repr__(self) -> str:
        connected = sum(sidecar.connected for sidecar in self._sidecars.values())
        return f"<Fleet {connected} connected of {len(self._sidecars)}>"

    def of(self, service: str = "") -> list[Sidecar]:
        """Those of one service, or all; by service, then node."""
        found = [sidecar for sidecar in self._sidecars.values() if service in ("", sidecar.service)]
        return sorted(found, key=lambda sidecar: (sidecar.service, sidecar.node, sidecar.connected_at))

    def connected(self, service: str) -> list[Sidecar]:
        """Those of a service that have a stream open."""
        return [sidecar for sidecar in self.of(service) if sidecar.connected]

    def ahead(self, service: str = "") -> list[Sidecar]:
        """Those connected that run what is newer than anything here, of one service or of all."""
        return [
            one
            for one in self._sidecars.values()
            if one.connected and one.is_ahead and service in ("", one.service)
        ]

    def is_ahead(self, service: str, node: str, boot_id: str) -> bool:
        """Whether that is one of them."""
        sidecar = self._sidecars.get((service, node, boot_id))
        return sidecar is not None and sidecar.connected and sidecar.is_ahead

    def connect(self, service: str, node: str, boot_id: str, in_force: Snapshot, now: float) -> Sidecar:
        """A stream was opened. Takes the place of what this node was before its process started anew."""
        for key, other in list(self._sidecars.items()):
            if (other.service, other.node) == (service, node) and not other.connected:
                del self._sidecars[key]
        key = (service, node, boot_id)
        sidecar = self._sidecars.setdefault(key, Sidecar(node, boot_id, service))
        sidecar.connected, sidecar.connected_at, sidecar.in_force = True, now, in_force
        sidecar.sent, sidecar.answer, sidecar.error = (0, 0), Answer.NONE, ""
        sidecar.streams += 1
        self.changes.announce()
        return sidecar

    def disconnect(self, sidecar: Sidecar) -> None:
        """A stream ended; a sidecar that has opened another one since stays connected."""
        sidecar.streams -= 1
        sidecar.connected = sidecar.streams > 0
        self.changes.announce()

    def forget(self, before: float) -> None:
        """Those that are gone, and were last heard of before some moment."""
        for key, sidecar in list(self._sidecars.items()):
            heard = max(sidecar.connected_at, sidecar.answered_at or 0.0, sidecar.reported_at or 0.0)
            if not sidecar.connected and heard < before:
                del self._sidecars[key]
                self.changes.announce()

    def note_report(
        self, service: str, node: str, boot_id: str, health: dict[str, tuple[bool, str]], now: float
    ) -> None:
        """A report came in; a sidecar that has no stream yet is none that could be shown."""
        sidecar = self._sidecars.get((service, node, boot_id))
        if sidecar is not None:
            sidecar.reported_at, sidecar.health = now, health
            self.changes.announce()
