"""Webhooks: what the outbox holds is told until it was taken, at least once, across restarts.

    outbox ── due ──▶ one POST each, all addresses at once ──▶ 2xx: delivered
                ▲                                      └─────▶ else: due again after a longer while
                └──────────────────────────────────────────────────┘

An event id is the same at every address and every try: who gets one twice can tell. Events of one address
may arrive out of order where one had to be tried again; the number in the id tells their order.
"""

import asyncio
import http.client
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable

from control.clock import Clock
from control.signals import Changes
from control.store.outbox import Outbox, Posted

TRY_SECONDS = 3.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
AT_ONCE = 8

logger = logging.getLogger(__name__)


class Notifier:
    """Delivers letters. `jitter` draws from 0 to 1."""

    def __init__(self, outbox: Outbox, posted: Changes, clock: Clock, jitter: Callable[[], float]) -> None:
        self._outbox = outbox
        self._posted = posted
        self._clock = clock
        self._jitter = jitter

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self._round()
            except Exception:  # whatever it is, rollouts and sidecars go on
                logger.exception("webhooks could not be delivered; trying again")
                await asyncio.sleep(FIRST_PAUSE)

    async def _round(self) -> None:
        seen = self._posted.count
        letters = await self._outbox.due(self._clock.wall(), AT_ONCE)
        if not letters:
            await self._wait(seen)
            return
        async with asyncio.TaskGroup() as tasks:
            for letter in letters:
                tasks.create_task(self._deliver(letter), name=f"notify {letter.event_id}")

    async def _wait(self, seen: int) -> None:
        """Until something is posted or due."""
        due = await self._outbox.next_due()
        pause = LONGEST_PAUSE if due is None else min(max(due - self._clock.wall(), 0.01), LONGEST_PAUSE)
        try:
            async with asyncio.timeout(pause):
                await self._posted.after(seen)
        except TimeoutError:
            pass

    async def _deliver(self, letter: Posted) -> None:
        error = await asyncio.to_thread(_post, letter)
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


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer that is not 2xx is not taken: a redirected POST would arrive as a GET."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


def _post(letter: Posted) -> str:
    """Empty where it was taken, else why not."""
    body = json.dumps({"event_id": letter.event_id} | json.loads(letter.body)).encode()
    headers = {"content-type": "application/json", "user-agent": "understudy"}
    request = urllib.request.Request(letter.url, body, headers, method="POST")  # noqa: S310 - checked as http(s)
    try:
        with _OPENER.open(request, timeout=TRY_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"answered {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
