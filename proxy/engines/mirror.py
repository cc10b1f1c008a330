"""Copies of calls to shadows: bounded, never waited for, each with exactly one outcome.

A copy's life: offered (after the primary's call was begun) → dropped, or asking the shadow → waiting for the
primary's answer → compared. Nothing that a caller waits for awaits anything here.
"""

import asyncio
import functools
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from proxy.compare.answers import Answer, Comparison
from proxy.compare.comparison import compare, is_quick, recorded
from proxy.engines.calls import AnyCall
from proxy.engines.copies import UNCOMPARED, Ask, Copy
from proxy.engines.inflated import inflated
from proxy.engines.recording import prediction, record
from proxy.policy.admission import MirrorLimits
from proxy.policy.breaker import Breaker, Change
from proxy.policy.table import Mirror
from proxy.stats.ledger import Ledger

_log = logging.getLogger(__name__)

RECORDED_FAILURES = ("error", "deadline", "unreachable")
"""Outcomes without an answer that get a record; there being nothing to compare, no match rate counts them."""

CUTTING_OFF = ("error", "deadline", "unreachable", "dropped_bytes")
"""Failures that are the shadow's. An answer without room is one: another would but cost as much again."""

T = TypeVar("T")


class Mirrors:
    """Sends copies and compares what comes back, in tasks of the engine's group."""

    def __init__(self, limits: MirrorLimits, ledger: Ledger, tasks: asyncio.TaskGroup, ask: Ask) -> None:
        self._ask = ask
        self.limits = limits
        self._ledger = ledger
        self._tasks = tasks
        self._breakers: defaultdict[tuple[str, str], Breaker] = defaultdict(Breaker)

    def offer(self, call: AnyCall, requests: Sequence[bytes], size: int) -> list[Copy]:
        """Copy a call whose primary has been begun, to every mirror of its route that draws it.

        `size` is that of its messages. A stream of several is offered when its primary has ended, so that its
        copy's deadline runs from there.
        """
        copies: list[Copy] = []
        for mirror in call.route.mirrors:
            if call.marked or not _wants(mirror, call):
                continue
            if mirror.share < 1 and random.random() >= mirror.share:  # noqa: S311  # not a secret
                continue
            copy = self._admit(call, mirror, requests, size)
            if copy is not None:
                copies.append(copy)
                running = self._tasks.create_task(self._run(copy), name="mirror")
                # A task that is cancelled before its first step never runs, and no `finally` in it.
                running.add_done_callback(functools.partial(self._close, copy))
        return copies

    def settle(self, copies: list[Copy], primary: Answer | None) -> None:
        """The primary has ended; None where its answer cannot be compared (it was cancelled)."""
        for copy in copies:
            if copy.ended:
                continue  # nobody would give back what it held from now on
            copy.primary_latency = time.perf_counter() - copy.call.started
            answer = primary
            if answer is not None and not copy.hold(answer.size):
                answer = UNCOMPARED
            if not copy.primary.done():
                copy.primary.set_result(answer)

    def _admit(self, call: AnyCall, mirror: Mirror, requests: Sequence[bytes], size: int) -> Copy | None:
        self._ledger.mirror_seen(mirror.variant.name)
        breaker = self._breaker(mirror)
        is_cut_off = not breaker.admits(time.monotonic())
        dropped = "dropped_breaker" if is_cut_off else self.limits.admit(call.route.name, mirror, size)
        if dropped is not None:
            noise = bool(mirror.noise_of)
            table, route = call.in_force.table, call.route.name
            self._ledger.mirror(table, route, mirror.variant.name, dropped, noise=noise, bucket=call.bucket)
            return None
        turn = breaker.began()
        attributes = {"understudy.variant": mirror.variant.name, "understudy.mirror": "true"}
        trace = call.trace.child("mirror", attributes) if call.trace else None
        return Copy(call, mirror, requests, size, self.limits, trace, turn)

    async def _run(self, copy: Copy) -> None:
        try:
            copy.outcome = await self._ask_and_compare(copy)
        except Exception:  # noqa: BLE001  # whatever it is, a copy must not take the sidecar with it
            _log.exception("a copy failed")
            copy.outcome = "error"

    def _close(self, copy: Copy, _: "asyncio.Task[None]") -> None:
        """The one end of every copy."""
        copy.ended = True
        self.limits.release(copy.call.route.name, copy.mirror, copy.held)
        self._breaker(copy.mirror).gave_up(copy.turn)  # where it told nothing
        table, route, variant = copy.call.in_force.table, copy.call.route.name, copy.mirror.variant.name
        noise, bucket = bool(copy.mirror.noise_of), copy.call.bucket
        self._ledger.land(copy.flight)
        self._ledger.mirror(table, route, variant, copy.outcome, noise=noise, bucket=bucket)
        if copy.trace is not None:
            copy.trace.annotate({"understudy.mirror.outcome": copy.outcome})
            copy.trace.end("OK" if copy.outcome in ("match", "mismatch", "uncompared") else copy.outcome)

    async def _ask_and_compare(self, copy: Copy) -> str:
        started = time.perf_counter()
        table, route, variant = copy.call.in_force.table, copy.call.route.name, copy.mirror.variant.name
        noise, bucket = bool(copy.mirror.noise_of), copy.call.bucket
        copy.flight = self._ledger.depart(
            table, route, variant, started, bucket=bucket, mirrored=True, noise=noise
        )
        shadow, failure = await self._answered(copy)
        latency = time.perf_counter() - started
        trace_id = copy.trace.context.trace_id_hex if copy.trace else ""
        if failure not in ("unreachable", "dropped_bytes", "cancelled"):
            self._ledger.mirror_answer(
                table,
                route,
                variant,
                shadow.code,
                latency,
                trace_id,
                noise=noise,
                bucket=bucket,
                flight=copy.flight,
            )
        primary = await copy.primary
        if primary is None:
            return "cancelled"
        if failure:
            if failure in RECORDED_FAILURES and primary.code:
                nothing = Comparison(matches=False, reason=shadow.code)
                self._ledger.record(record(copy, nothing, failure, latency))
            return failure
        if not primary.code and shadow.code != "OK":
            return "error"
        if not primary.code or not copy.hold_answer(shadow.size):
            return "uncompared"
        plain = await inflated(copy, primary), await inflated(copy, shadow)
        if plain[0] is None or plain[1] is None:
            return "uncompared"
        primary, shadow = plain[0], plain[1]
        found = await _off_the_loop(_compare, copy, primary, shadow)
        self._ledger.comparison(table, route, variant, found, latency, trace_id, noise=noise)
        has_failed = shadow.code not in ("OK", primary.code)  # the shadow itself: an answer, and an error
        outcome = "error" if has_failed else found.outcome
        is_drawn = random.random() < copy.mirror.tolerance.sample  # noqa: S311  # not a secret
        if is_drawn or not found.matches:
            predictions = await _off_the_loop(_predicted, copy, primary, shadow)
            self._ledger.record(record(copy, found, outcome, latency, predictions))
            if is_drawn and not noise and all(predictions):
                self._ledger.predicted(prediction(copy, predictions))
        return outcome.partition("_")[0]

    async def _answered(self, copy: Copy) -> tuple[Answer, str]:
        """What the shadow says, and what that says of the shadow."""
        answer, failure = await self._ask(copy)
        breaker, change = self._breaker(copy.mirror), None
        if not failure:
            change = breaker.succeeded(copy.turn)
        elif failure in CUTTING_OFF:
            change = breaker.failed(copy.turn, time.monotonic())
        at = {"variant": copy.mirror.variant.name, "target": copy.mirror.variant.target}
        if change is Change.OPENED:
            _log.warning("shadow cut off", extra={**at, "reason": failure, "seconds": breaker.pause})
        elif change is Change.CLOSED:
            _log.info("shadow answers again", extra=at)
        return answer, failure

    def keep(self, mirrors: Iterable[Mirror]) -> None:
        """New config: what is known of shadows that are in it no more is forgotten."""
        kept = {_key(mirror) for mirror in mirrors}
        for key in [key for key in self._breakers if key not in kept]:
            del self._breakers[key]

    def _breaker(self, mirror: Mirror) -> Breaker:
        return self._breakers[_key(mirror)]


def _key(mirror: Mirror) -> tuple[str, str]:
    return mirror.variant.name, str(mirror.variant.target)


def _wants(mirror: Mirror, call: AnyCall) -> bool:
    """A shadow gets what others served; a second copy of a primary, what that primary served."""
    if mirror.noise_of:
        return mirror.noise_of == call.variant.name
    return mirror.variant is not call.variant


def _compare(copy: Copy, primary: Answer, shadow: Answer) -> Comparison:
    return compare(copy.call.method, primary, shadow, copy.mirror.tolerance)


def _predicted(copy: Copy, primary: Answer, shadow: Answer) -> tuple[str, str]:
    method, tolerance = copy.call.method, copy.mirror.tolerance
    return recorded(method, primary, tolerance), recorded(method, shadow, tolerance)


async def _off_the_loop(
    work: Callable[[Copy, Answer, Answer], T], copy: Copy, primary: Answer, shadow: Answer
) -> T:
    """What takes longer is done in a thread, so that no caller waits for it."""
    if is_quick(copy.call.method, primary, shadow, copy.mirror.tolerance):
        return work(copy, primary, shadow)
    return await asyncio.to_thread(work, copy, primary, shadow)
