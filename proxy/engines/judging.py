"""Holds the two answers of a copy together, once both are there, and counts what came of it."""

import asyncio
import functools
import logging
from collections.abc import Callable

from proxy.compare.answers import Answer, Comparison
from proxy.compare.comparison import compare, is_quick, recorded
from proxy.engines.copies import Copy
from proxy.engines.inflated import inflated
from proxy.engines.recording import prediction, record
from proxy.stats.ledger import Ledger

RECORDED_FAILURES = ("error", "deadline", "unreachable")
"""Outcomes without an answer that get a record; there being nothing to compare, no match rate counts them."""

_log = logging.getLogger(__name__)


class Judge:
    """Brings each copy to its outcome, and `end`s it by that."""

    def __init__(self, ledger: Ledger, tasks: asyncio.TaskGroup, end: Callable[[Copy, str], None]) -> None:
        self._ledger = ledger
        self._tasks = tasks
        self._end = end

    def judge(self, copy: Copy) -> None:
        """Both answers are there, or it is known that one of them will not be."""
        primary, shadow = copy.primary, copy.shadow
        if primary is None or shadow is None:
            self._end(copy, "cancelled")
        elif copy.failure:
            if copy.failure in RECORDED_FAILURES and primary.code:
                nothing = Comparison(matches=False, reason=shadow.code)
                self._ledger.record(record(copy, nothing, copy.failure))
            self._end(copy, copy.failure)
        elif not primary.code and shadow.code != "OK":
            self._end(copy, "error")
        elif not primary.code or not copy.hold_answer(shadow.size):
            self._end(copy, "uncompared")
        elif primary.encodings or shadow.encodings or not _is_quick(copy, primary, shadow):
            comparing = self._tasks.create_task(self._aside(copy, primary, shadow), name="compare")
            # A task that is cancelled before its first step never runs, and no `finally` in it.
            comparing.add_done_callback(functools.partial(self._ended_aside, copy))
        else:
            found = _compare(copy, primary, shadow)
            is_kept = copy.is_sampled or not found.matches
            self._conclude(copy, found, _predicted(copy, primary, shadow) if is_kept else None)

    async def _aside(self, copy: Copy, primary: Answer, shadow: Answer) -> None:
        """What takes longer is done in a thread, so that no caller waits for it."""
        try:
            plain, other = await inflated(copy, primary), await inflated(copy, shadow)
            if plain is None or other is None:
                self._end(copy, "uncompared")
                return
            found = await asyncio.to_thread(_compare, copy, plain, other)
            is_kept = copy.is_sampled or not found.matches
            predictions = await asyncio.to_thread(_predicted, copy, plain, other) if is_kept else None
            self._conclude(copy, found, predictions)
        except Exception:  # noqa: BLE001  # whatever it is, a copy must not take the sidecar with it
            _log.exception("a copy failed")
            self._end(copy, "error")

    def _ended_aside(self, copy: Copy, _: "asyncio.Task[None]") -> None:
        self._end(copy, "cancelled")  # where it has come to no other end

    def _conclude(self, copy: Copy, found: Comparison, predictions: tuple[str, str] | None) -> None:
        """Count a comparison; `predictions` of those that are kept one by one."""
        table, route, variant = copy.call.in_force.table, copy.call.route.name, copy.mirror.variant.name
        noise = bool(copy.mirror.noise_of)
        self._ledger.comparison(table, route, variant, found, copy.shadow_latency, copy.trace_id, noise=noise)
        outcome = "error" if copy.has_shadow_failed else found.outcome
        if predictions is not None:
            self._ledger.record(record(copy, found, outcome, predictions))
            if copy.is_sampled and not noise and all(predictions):
                self._ledger.predicted(prediction(copy, predictions))
        self._end(copy, outcome.partition("_")[0])


def _is_quick(copy: Copy, primary: Answer, shadow: Answer) -> bool:
    return is_quick(copy.call.method, primary, shadow, copy.mirror.tolerance)


def _compare(copy: Copy, primary: Answer, shadow: Answer) -> Comparison:
    return compare(copy.call.method, primary, shadow, copy.mirror.tolerance)


def _predicted(copy: Copy, primary: Answer, shadow: Answer) -> tuple[str, str]:
    method, tolerance = copy.call.method, copy.mirror.tolerance
    return recorded(method, primary, tolerance), recorded(method, shadow, tolerance)
