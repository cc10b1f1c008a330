"""The seam between the process and whatever carries its calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.policy.table import Table
from proxy.policy.tls import Files
from proxy.workers.place import ONLY, Place


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether a variant's target answers; None: not known yet."""

    live: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Listening:
    """How connections are taken. `max_connection_age` in seconds, None for no end."""

    reuse_port: bool = False  # with another sidecar that listens there, too
    max_connection_age: float | None = None
    place: Place = ONLY
    tls: Files | None = None

    @property
    def is_shared(self) -> bool:
        """Whether others may listen on the port, too: another sidecar, or other workers of this one."""
        return self.reuse_port or self.place.of > 1


ALONE = Listening()


class Engine(Protocol):
    """Carries calls by the table that was applied last."""

    async def start(self, address: str) -> str:
        """Listen; the address really bound. Raises CannotStart where it cannot be had."""
        ...

    def apply(self, table: Table) -> None:
        """Bring a table into force: every call that begins from now on is decided by it.

        Raises Refused, and leaves everything as it is, where files that it needs cannot be used.
        """
        ...

    def table(self) -> Table | None:
        """The table in force."""
        ...

    def liveness(self) -> Mapping[str, Liveness]:
        """Every variant of the table in force, by name."""
        ...

    def in_flight(self) -> Mapping[str, int]:
        """Calls under way, by variant."""
        ...

    async def drain(self, timeout: float) -> None:  # noqa: ASYNC109  # a bound on others' calls, not on this one
        """Leave the port to another sidecar that listens there, let the calls in flight end, at most
        `timeout` seconds, and stop carrying.
        """
        ...
