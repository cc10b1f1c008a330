"""Whether this control service may lead the sidecars of a service.

It may not where one of them runs what is newer than anything this store knows: the store was put back from a
backup, or made anew, and what it would push next would undo decisions that it never heard of. Then nothing is
pushed, no rollout goes on and no change is taken, until an operator has adopted the fleet: the epoch rises
above all that is out there, and what is stored here is pushed.
"""

import logging

from control.delivery.board import Board
from control.delivery.fleet import Fleet
from control.refusals import NotNow
from control.signals import Changes
from control.store.store import Store

logger = logging.getLogger(__name__)


class Leadership:
    """Says whether it leads, and takes the lead where it is told to."""

    def __init__(self, store: Store, board: Board, fleet: Fleet, visible: Changes) -> None:
        self._store = store
        self._board = board
        self._fleet = fleet
        self._visible = visible

    def trouble(self, service: str = "") -> str:
        """Why it does not lead a service, or one of them all; empty where it does."""
        ahead = self._fleet.ahead(service)
        if not ahead:
            return ""
        first = max(ahead, key=lambda sidecar: sidecar.in_force)
        epoch, version = first.in_force
        return (
            f"is older than the fleet: sidecar {first.node} runs version {version} of epoch {epoch}, this is "
            f"epoch {self._board.epoch}; service {first.service} is left as it is until "
            "`understudy control adopt`"
        )

    def require(self, service: str) -> None:
        """NotNow where it does not lead."""
        if trouble := self.trouble(service):
            raise NotNow(f"the store {trouble}")

    async def adopt(self) -> int:
        """Lead them all from here, by what is stored here; the epoch from then on."""
        ahead = self._fleet.ahead()
        if not ahead:
            return self._board.epoch
        highest = max(sidecar.in_force[0] for sidecar in ahead)
        epoch = await self._store.next_epoch(above=highest)
        logger.warning("the fleet is adopted", extra={"epoch": epoch, "was_at": highest, "ahead": len(ahead)})
        for sidecar in ahead:
            sidecar.is_ahead = False
        self._board.rise(epoch, await self._store.services.every())
        self._visible.announce()
        return epoch
