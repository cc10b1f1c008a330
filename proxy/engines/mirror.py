"""Copies of calls to shadows: bounded, never waited for, each with exactly one outcome.

A copy's life: offered (after the primary's call was begun) → dropped, or begun → answered by the shadow, and
settled by the primary's end, in either order → judged → ended. Nothing that a caller waits for waits here.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from proxy.compare.answers import Answer
from proxy.engines.calls import AnyCall
from proxy.engines.copies import UNCOMPARED, Ask, Copy
from proxy.engines.judging import Judge
from proxy.policy.admission import MirrorLimits
from proxy.policy.breaker import Breaker, Change
from proxy.policy.table import Mirror
from proxy.stats.ledger import Ledger

_log = logging.getLogger(__name__)

CUTTING_OFF = ("error", "deadline", "unreachable", "dropped_bytes")
"""Failures that are the shadow's. An answer without room is one: another would but cost as much again."""


class Mirrors:
    """Sends copies and compares what comes back. `ask` is the engine's; see Ask.

    Every step of a copy that comes with a caller's bytes waits for the next turn of the event loop, and
    shares it with the steps of all others that are due then: what a caller waits for has been written by
    that time. With `send`, shadows' answers come so, too, amid others' in one read, and what copies have to
    say gathers until a turn of theirs ends by it.
    """

    def __init__(
        self,
        limits: MirrorLimits,
        ledger: Ledger,
        tasks: asyncio.TaskGroup,
        ask: Ask,
        send: Callable[[], None] | None = None,
    ) -> None:
        self._ask = ask
        self._send = send
        self.limits = limits
        self._ledger = ledger
        self._tasks = tasks
        self._breakers: defaultdict[tuple[str, str], Breaker] = defaultdict(Breaker)
        self._judge = Judge(ledger, tasks, self._end)
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
                self._soon(self._judge.judge, copy)

    def _admit(self, call: AnyCall, mirror: Mirror, requests: Sequence[bytes], size: int) -> Copy | None:
        self._ledger.mirror_seen(mirror.variant.name)
        breaker = self._breakers[_key(mirror)]
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
        return Copy(call, mirror, requests, size, self.limits, trace, breaker, turn, is_sampled)

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
        if self._send is not None:
            self._send()

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
        if failure == "cancelled" or (copy.is_settled and self._send is None):
            self._guarded(self._judge.judge, copy)  # not later: there may be no later turn
        elif copy.is_settled:
            self._soon(self._judge.judge, copy)

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

    def _end(self, copy: Copy, outcome: str) -> None:
        """The one end of every copy."""
        if copy.ended:
            return
        copy.ended = True
        self.limits.release(copy.call.route.name, copy.mirror, copy.held)
        copy.breaker.gave_up(copy.turn)  # where it told nothing
        table, route, variant = copy.call.in_force.table, copy.call.route.name, copy.mirror.variant.name
        noise, bucket = bool(copy.mirror.noise_of), copy.call.bucket
        self._ledger.land(copy.flight)
        self._ledger.mirror(table, route, variant, outcome, noise=noise, bucket=bucket)
        if copy.trace is not None:
            copy.trace.annotate({"understudy.mirror.outcome": outcome})
            copy.trace.end("OK" if outcome in ("match", "mismatch", "uncompared") else outcome)

    def _learn(self, copy: Copy) -> None:
        """What a copy's end says of whether to send more."""
        change = None
        if not copy.failure:
            change = copy.breaker.succeeded(copy.turn)
        elif copy.failure in CUTTING_OFF:
            change = copy.breaker.failed(copy.turn, time.monotonic())
        if change is None:
            return
        at = {"variant": copy.mirror.variant.name, "target": copy.mirror.variant.target}
        if change is Change.OPENED:
            seconds = copy.breaker.pause
            _log.warning("shadow cut off", extra={**at, "reason": copy.failure, "seconds": seconds})
        else:
            _log.info("shadow answers again", extra=at)

    def keep(self, mirrors: Iterable[Mirror]) -> None:
        """New config: what is known of shadows that are in it no more is forgotten."""
        kept = {_key(mirror) for mirror in mirrors}
        for key in [key for key in self._breakers if key not in kept]:
            del self._breakers[key]


def _key(mirror: Mirror) -> tuple[str, str]:
    return mirror.variant.name, str(mirror.variant.target)


def _wants(mirror: Mirror, call: AnyCall) -> bool:
    """A shadow gets what others served; a second copy of a primary, what that primary served."""
    if mirror.noise_of:
        return mirror.noise_of == call.variant.name
    return mirror.variant is not call.variant
