"""What `keep_old` ends in: some time after a blue/green rollout the old variant leaves the configuration.

It stays where an operator put it to use again meanwhile, and while another rollout of its service runs.
"""

import asyncio
import contextlib
import logging

from control.clock import Clock
from control.delivery.board import Board
from control.delivery.leadership import Leadership
from control.refusals import NotNow
from control.rollout.decisions import Refused
from control.rollout.slots import retired
from control.rollout.traffic import stable_of
from control.signals import Changes
from control.store.errors import StoreRefused
from control.store.records import StoredRollout
from control.store.store import Store

logger = logging.getLogger(__name__)


class Retirement:
    """Takes old variants out when their time has come."""

    def __init__(
        self, store: Store, board: Board, leadership: Leadership, clock: Clock, visible: Changes
    ) -> None:
        self._store = store
        self._leadership = leadership
        self._board = board
        self._clock = clock
        self._visible = visible

    async def run(self, period: float) -> None:
        """Look every `period` seconds until cancelled."""
        while True:
            try:
                for stored in await self._store.rollouts.retiring(self._clock.wall()):
                    with contextlib.suppress(StoreRefused, NotNow):  # busy, or changed just now: look again
                        self._leadership.require(stored.service)
                        await self._retire(stored)
            except Exception:  # whatever it is, rollouts and sidecars go on
                logger.exception("old variants could not be looked after; trying again")
            await asyncio.sleep(period)

    async def _retire(self, stored: StoredRollout) -> None:
        service = await self._store.services.find(stored.service)
        if service is None:
            raise AssertionError("a rollout's service is there: a foreign key says so")
        old = stable_of(stored.base)
        changed = retired(service.base, old)
        now = self._clock.wall()
        if isinstance(changed, Refused):
            logger.info("an old variant stays", extra={"variant": old, "reason": changed.reason})
            await self._store.rollouts.retire(stored.name, None, service.version, now)
            return
        await self._store.rollouts.retire(stored.name, changed, service.version, now)
        logger.info("an old variant was retired", extra={"variant": old, "service": service.name})
        replaced = await self._store.services.find(service.name)
        self._board.put_up([replaced] if replaced else [])
        self._visible.announce()
