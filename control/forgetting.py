"""Forgets from time to time what is kept no longer: in the store, and sidecars that did not come back."""

import asyncio
import logging

from control.clock import Clock
from control.delivery.fleet import Fleet
from control.store.retention import Keep
from control.store.store import Store

PERIOD = 600.0
"""Seconds between two times."""

logger = logging.getLogger(__name__)


async def forget(store: Store, fleet: Fleet, clock: Clock, keep: Keep, period: float = PERIOD) -> None:
    """Do so every so many seconds until cancelled."""
    while True:
        try:
            count = await store.forgetting.prune(clock.wall(), keep)
            fleet.forget(clock.wall() - keep.sidecars)
        except Exception:  # whatever it is, rollouts and sidecars go on
            logger.exception("what is old could not be forgotten; trying again")
        else:
            if count:
                logger.info("what is old was forgotten", extra={"rows": count})
        await asyncio.sleep(period)
