"""Copies of calls to shadows: bounded, never waited for, each with exactly one outcome.

A copy's life: offered (after the primary's call was begun) → dropped, or begun → answered by the shadow, and
settled by the primary's end, in either order → judged → ended. Nothing that a caller waits for waits here.
"""

import asyncio
import functools
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

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


class Mirrors:
    """Sends copies and compares what comes back. `ask` is the engine's; see Ask.

    What a copy does, it does in a turn of the event loop of its own, shared with all copies that are due then:
    callers' reads and writes come first. There is no task for a copy but where it is compared in a thread.
    """

    def __init__(self, limits: MirrorLimits, ledger: Ledger, tasks: asyncio.TaskGroup, ask: Ask) -> None:
        self._ask = ask
        self.limits = limits
        self._ledger = ledger
        self._tasks = tasks
        self._breakers: defaultdict[tuple[str, str], Breaker] = defaultdict(Breaker)
        self._due: list[tuple[Callable[[Copy], None], Copy]] = []

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
                self._soon(self._begin, copy)
        return copies

    def settle(self, copies: list[Copy], primary: Answer | None) -> None:
        """The primary has ended; None where its answer cannot be compared (it was cancelled)."""
        for copy in copies:
            if copy.ended or copy.is_settled:
                continue  # nobody would give back what it held from now on
            copy.primary_latency = time.perf_counter() - copy.call.started
            answer = primary
            if answer is not None and not copy.hold(answer.size):
                answer = UNCOMPARED
            copy.primary, copy.is_settled = answer, True
            if copy.shadow is not None:
                self._soon(self._judge, copy)

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
        is_sampled = random.random() < mirror.tolerance.sample  # noqa: S311  # not a secret
        return Copy(call, mirror, requests, size, self.limits, trace, turn, is_sampled)

    def _soon(self, step: Callable[[Copy], None], copy: Copy) -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self._go_on)
        self._due.append((step, copy))

    def _go_on(self) -> None:
        """One turn of the loop's worth of steps."""
        due, self._due = self._due, []
        for step, copy in due:
            if not copy.ended:
                self._guarded(step, copy)

    def _guarded(self, step: Callable[[Copy], None], copy: Copy) -> None:
        try:
            step(copy)
        except Exception:  # noqa: BLE001  # whatever it is, a copy must not take the sidecar with it
            _log.exception("a copy failed")
            self._end(copy, "error")

    def _begin(self, copy: Copy) -> None:
        copy.started = time.perf_counter()
        copy.flight = self._ledger.depart(
            copy.call.in_force.table,
            copy.call.route.name,
            copy.mirror.variant.name,
            copy.started,
            bucket=copy.call.bucket,
            mirrored=True,
            noise=bool(copy.mirror.noise_of),
        )
        self._ask(copy, self._answered)

    def _answered(self, copy: Copy, shadow: Answer, failure: str) -> None:
        """See Tell."""
        if copy.ended or copy.shadow is not None:
            return
        copy.shadow, copy.failure = shadow, failure
        copy.shadow_latency = time.perf_counter() - copy.started
        self._guarded(self._count, copy)
        if copy.is_settled or failure == "cancelled":
            self._soon(self._judge, copy)

    def _count(self, copy: Copy) -> None:
        """What the answer, or that there is none, says of the shadow."""
        self._learn(copy)
        if copy.shadow is None or copy.failure in ("unreachable", "dropped_bytes", "cancelled"):
            return
        self._ledger.mirror_answer(
            copy.call.in_force.table,
            copy.call.route.name,
            copy.mirror.variant.name,
            copy.shadow.code,
            copy.shadow_latency,
            copy.trace_id,
            noise=bool(copy.mirror.noise_of),
            bucket=copy.call.bucket,
            flight=copy.flight,
        )

    def _judge(self, copy: Copy) -> None:
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
            comparing = self._tasks.create_task(self._compare_aside(copy, primary, shadow), name="compare")
            # A task that is cancelled before its first step never runs, and no `finally` in it.
            comparing.add_done_callback(functools.partial(self._compared_aside, copy))
        else:
            found = _compare(copy, primary, shadow)
            is_kept = copy.is_sampled or not found.matches
            self._conclude(copy, found, _predicted(copy, primary, shadow) if is_kept else None)

    async def _compare_aside(self, copy: Copy, primary: Answer, shadow: Answer) -> None:
        """What takes longer is done in a thread, so that no caller waits for it."""
        plain, other = await inflated(copy, primary), await inflated(copy, shadow)
        if plain is None or other is None:
            self._end(copy, "uncompared")
            return
        found = await asyncio.to_thread(_compare, copy, plain, other)
        is_kept = copy.is_sampled or not found.matches
        predictions = await asyncio.to_thread(_predicted, copy, plain, other) if is_kept else None
        self._conclude(copy, found, predictions)

    def _compared_aside(self, copy: Copy, comparing: "asyncio.Task[None]") -> None:
        if not comparing.cancelled() and comparing.exception() is not None:
            _log.error("a copy failed", exc_info=comparing.exception())
            self._end(copy, "error")
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

    def _end(self, copy: Copy, outcome: str) -> None:
        """The one end of every copy."""
        if copy.ended:
            return
        copy.ended = True
        self.limits.release(copy.call.route.name, copy.mirror, copy.held)
        self._breaker(copy.mirror).gave_up(copy.turn)  # where it told nothing
        table, route, variant = copy.call.in_force.table, copy.call.route.name, copy.mirror.variant.name
        noise, bucket = bool(copy.mirror.noise_of), copy.call.bucket
        self._ledger.land(copy.flight)
        self._ledger.mirror(table, route, variant, outcome, noise=noise, bucket=bucket)
        if copy.trace is not None:
            copy.trace.annotate({"understudy.mirror.outcome": outcome})
            copy.trace.end("OK" if outcome in ("match", "mismatch", "uncompared") else outcome)

    def _learn(self, copy: Copy) -> None:
        """What a copy's end says of whether to send more."""
        breaker, change = self._breaker(copy.mirror), None
        if not copy.failure:
            change = breaker.succeeded(copy.turn)
        elif copy.failure in CUTTING_OFF:
            change = breaker.failed(copy.turn, time.monotonic())
        at = {"variant": copy.mirror.variant.name, "target": copy.mirror.variant.target}
        if change is Change.OPENED:
            _log.warning("shadow cut off", extra={**at, "reason": copy.failure, "seconds": breaker.pause})
        elif change is Change.CLOSED:
            _log.info("shadow answers again", extra=at)

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


def _is_quick(copy: Copy, primary: Answer, shadow: Answer) -> bool:
    return is_quick(copy.call.method, primary, shadow, copy.mirror.tolerance)


def _compare(copy: Copy, primary: Answer, shadow: Answer) -> Comparison:
    return compare(copy.call.method, primary, shadow, copy.mirror.tolerance)


def _predicted(copy: Copy, primary: Answer, shadow: Answer) -> tuple[str, str]:
    method, tolerance = copy.call.method, copy.mirror.tolerance
    return recorded(method, primary, tolerance), recorded(method, shadow, tolerance)
