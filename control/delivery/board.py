"""What is in force now, as sidecars are to have it: one snapshot a service."""

from collections.abc import Iterable

from understudy.v1 import discovery_pb2

from control.rollout.snapshots import build_snapshot
from control.signals import Changes
from control.store.services import StoredService


class Board:
    """Every service's newest snapshot. `changes` tells of each that is put up."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.changes = Changes()
        self._snapshots: dict[str, discovery_pb2.Snapshot] = {}

    def __repr__(self) -> str:
        versions = ", ".join(f"{name} {snapshot.version}" for name, snapshot in self._snapshots.items())
        return f"<Board epoch {self.epoch}: {versions or 'empty'}>"

    def put_up(self, stored: Iterable[StoredService]) -> None:
        """Have these in force; what is older than what is up already changes nothing."""
        for service in stored:
            up = self._snapshots.get(service.name)
            if up is None or up.version < service.version:
                self._snapshots[service.name] = _snapshot(service, self.epoch)
                self.changes.announce()

    def rise(self, epoch: int, stored: Iterable[StoredService]) -> None:
        """From now on everything is of a higher epoch."""
        self.epoch = epoch
        self._snapshots = {service.name: _snapshot(service, epoch) for service in stored}
        self.changes.announce()

    def newest(self, service: str) -> discovery_pb2.Snapshot | None:
        """What a sidecar of this service is to run; None: the service is not known, or not yet."""
        return self._snapshots.get(service)


def _snapshot(stored: StoredService, epoch: int) -> discovery_pb2.Snapshot:
    return build_snapshot(
        stored.in_force,
        epoch=epoch,
        version=stored.version,
        built_at=stored.updated_at,
        rollout=stored.rollout,
        bounds=stored.latency_bounds,
    )
