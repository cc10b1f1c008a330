"""The read side, as the gRPC API and the page see it: what is in force, how rollouts stand, who runs what.

Every message returned is the caller's own; nothing read here changes anything.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from understudy.v1 import rollouts_pb2, services_pb2


class Views(Protocol):
    """What can be seen of the control service."""

    async def services(self) -> list[services_pb2.ServiceStatus]:
        """Every service as it is in force now, by name."""
        ...

    async def service(self, name: str) -> services_pb2.ServiceStatus | None:
        """One of them."""
        ...

    async def rollouts(self, service: str = "") -> list[rollouts_pb2.RolloutStatus]:
        """Every rollout, newest first; only those of `service` where it is given."""
        ...

    async def rollout(self, name: str) -> rollouts_pb2.RolloutStatus | None:
        """One of them."""
        ...

    async def transitions(self, rollout: str) -> list[rollouts_pb2.Transition]:
        """Every step of a rollout, oldest first."""
        ...

    async def sidecars(self, service: str = "") -> list[services_pb2.SidecarStatus]:
        """Every sidecar that is connected or was, by service, then node."""
        ...

    async def shadows(self, service: str, mismatches: int) -> services_pb2.ShadowReportResponse:
        """What comparing its shadows found, with so many of the newest mismatches."""
        ...

    def trouble(self) -> str:
        """What keeps the store from being written now; empty: nothing does."""
        ...

    def updates(self) -> AsyncIterator[None]:
        """One item at once, then one after every change, at most one a second; ends with the process."""
        ...
