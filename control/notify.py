"""Webhooks: what the outbox holds is told until it was taken, at least once, across restarts.

    outbox ── due ──▶ one POST at a time to an address, all addresses at once ──▶ 2xx: delivered
                ▲                                                          └────▶ else: due again after a
                └───────────────────────────────────────────────────────────────── longer while

An address that hangs holds up nobody but itself. An event id is the same at every address and every try:
who gets one twice can tell. Events of one address may arrive out of order where one had to be tried again;
the number in the id tells their order.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from control.clock import Clock
from control.outbound import post
from control.signals import Changes
from control.store.outbox import Outbox, Posted

TRY_SECONDS = 3.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
AT_ONCE = 32
"""Addresses; each has a thread while it is asked."""

IGNORED = 64 * 1024
"""Bytes of an answer, which nobody reads; more is an answer that is none."""

logger = logging.getLogger(__name__)


class Notifier:
    """Delivers letters. `jitter` draws from 0 to 1."""

    def __init__(self, outbox: Outbox, posted: Changes, clock: Clock, jitter: Callable[[], float]) -> None:
        self._outbox = outbox
        self._posted = posted
        self._clock = clock
        self._jitter = jitter
        self._busy: set[str] = set()  # addresses that are being asked
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="notify")

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    try:
                        await self._round(tasks)
                    except Exception:  # whatever it is, rollouts and sidecars go on
                        logger.exception("webhooks could not be delivered; trying again")
                        await asyncio.sleep(FIRST_PAUSE)
        finally:
            self._threads.shutdown(wait=False)

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        seen, room = self._posted.count, AT_ONCE - len(self._busy)
        letters = await self._outbox.due(self._clock.wall(), room, self._busy) if room else []
        for letter in letters:
            self._busy.add(letter.url)
            tasks.create_task(self._carry(letter), name=f"notify {letter.event_id}")
        if not letters:
            await self._wait(seen)

    async def _carry(self, letter: Posted) -> None:
        """One try; afterwards its address is free for the next."""
        try:
            await self._deliver(letter)
        except Exception:  # the store's: it is due still
            logger.exception("what became of a webhook could not be written; it is told again")
            await asyncio.sleep(FIRST_PAUSE)
        finally:
            self._busy.discard(letter.url)
            self._posted.announce()

    async def _wait(self, seen: int) -> None:
        """Until something is posted or due."""
        due = await self._outbox.next_due(self._busy)
        pause = LONGEST_PAUSE if due is None else min(max(due - self._clock.wall(), 0.01), LONGEST_PAUSE)
        try:
            async with asyncio.timeout(pause):
                await self._posted.after(seen)
        except TimeoutError:
            pass

    async def _deliver(self, letter: Posted) -> None:
        error = await asyncio.get_running_loop().run_in_executor(self._threads, _post, letter)
        if not error:
            await self._outbox.delivered(letter, self._clock.wall())
            return
        pause = next_pause(letter.attempts, self._jitter())
        logger.warning(
            "a webhook was not taken", extra={"event": letter.event_id, "error": error, "again_in": pause}
        )
        await self._outbox.failed(letter, error, self._clock.wall() + pause)


def next_pause(attempts: int, draw: float) -> float:
    """Seconds until the next try: doubling up to a bound, and spread over its upper half."""
    longest = min(FIRST_PAUSE * 2.0 ** min(attempts, 20), LONGEST_PAUSE)
    return longest * (0.5 + draw / 2)


def _post(letter: Posted) -> str:
    """Empty where it was taken, else why not."""
    body = json.dumps({"event_id": letter.event_id} | json.loads(letter.body)).encode()
    return post(letter.url, body, "application/json", TRY_SECONDS, IGNORED).error
