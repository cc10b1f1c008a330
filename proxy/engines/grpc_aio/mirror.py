"""Copies of calls to shadows: bounded, never waited for, each with exactly one outcome.

A copy's life: offered (after the primary's call was begun) → dropped, or asking the shadow → waiting for the
primary's answer → compared. Nothing that a caller waits for awaits anything here.
"""

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field

import grpc

from proxy.compare.comparison import THREAD_BYTES, Answer, Comparison, compare
from proxy.engines.grpc_aio.call import Call
from proxy.engines.grpc_aio.failures import ending_of, is_over
from proxy.engines.grpc_aio.metadata import received
from proxy.policy.admission import MirrorLimits
from proxy.policy.protocols import is_known_unary
from proxy.policy.table import Mirror
from proxy.stats.ledger import Ledger
from proxy.telemetry.tracing import CallTrace

_log = logging.getLogger(__name__)

UNCOMPARED = Answer("")
"""Stands for a primary's answer that there was no room for."""


@dataclass(slots=True, eq=False)
class Copy:
    """One copy under way. `primary` is settled with the primary's answer, or None where there is none."""

    call: Call
    mirror: Mirror
    request: bytes
    held: int
    trace: CallTrace | None
    ended: bool = False
    primary: "asyncio.Future[Answer | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Mirrors:
    """Sends copies and compares what comes back, in tasks of the engine's group."""

    def __init__(self, limits: MirrorLimits, ledger: Ledger, tasks: asyncio.TaskGroup) -> None:
        self._limits = limits
        self._ledger = ledger
        self._tasks = tasks

    def offer(self, call: Call, request: bytes) -> list[Copy]:
        """Copy a call whose primary has been begun, to every mirror of its route that draws it."""
        copies: list[Copy] = []
        for mirror in call.route.mirrors:
            if call.marked or mirror.variant is call.variant:
                continue
            if mirror.share < 1 and random.random() >= mirror.share:  # noqa: S311  # not a secret
                continue
            copy = self._admit(call, mirror, request)
            if copy is not None:
                copies.append(copy)
                self._tasks.create_task(self._run(copy), name="mirror")
        return copies

    def settle(self, copies: list[Copy], primary: Answer | None) -> None:
        """The primary has ended; None where its answer cannot be compared (it was cancelled)."""
        for copy in copies:
            if copy.ended:
                continue  # nobody would give back what it held from now on
            answer = primary
            if answer is not None:
                if self._limits.hold(copy.call.route.name, copy.mirror, answer.size):
                    copy.held += answer.size
                else:
                    answer = UNCOMPARED
            if not copy.primary.done():
                copy.primary.set_result(answer)

    def _admit(self, call: Call, mirror: Mirror, request: bytes) -> Copy | None:
        self._ledger.mirror_seen(mirror.variant.name)
        dropped = self._limits.admit(call.route.name, mirror, len(request))
        if dropped is not None:
            self._ledger.mirror(call.in_force.table, call.route.name, mirror.variant.name, dropped)
            return None
        attributes = {"understudy.variant": mirror.variant.name, "understudy.mirror": "true"}
        trace = call.trace.child("mirror", attributes) if call.trace else None
        return Copy(call, mirror, request, len(request), trace)

    async def _run(self, copy: Copy) -> None:
        outcome = "cancelled"
        try:
            outcome = await self._ask_and_compare(copy)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  # whatever it is, a copy must not take the sidecar with it
            _log.exception("a copy failed")
            outcome = "error"
        finally:
            copy.ended = True
            self._limits.release(copy.call.route.name, copy.mirror, copy.held)
            table, route = copy.call.in_force.table, copy.call.route.name
            self._ledger.mirror(table, route, copy.mirror.variant.name, outcome)
            if copy.trace is not None:
                copy.trace.annotate({"understudy.mirror.outcome": outcome})
                copy.trace.end("OK" if outcome in ("match", "mismatch", "uncompared") else outcome)

    async def _ask_and_compare(self, copy: Copy) -> str:
        started = time.perf_counter()
        shadow, failure = await self._ask(copy)
        latency = time.perf_counter() - started
        table, route, variant = copy.call.in_force.table, copy.call.route.name, copy.mirror.variant.name
        trace_id = copy.trace.context.trace_id_hex if copy.trace else ""
        if failure not in ("unreachable", "dropped_bytes", "cancelled"):
            self._ledger.mirror_answer(table, route, variant, shadow.code, latency, trace_id)
        primary = await copy.primary
        if primary is None:
            return "cancelled"
        if failure:
            return failure
        if shadow.code not in ("OK", primary.code):
            return "error"
        if not primary.code or not self._limits.hold(route, copy.mirror, shadow.size):
            return "uncompared"
        copy.held += shadow.size
        found = await _compare(copy, primary, shadow)
        self._ledger.comparison(table, route, variant, found, latency, trace_id)
        return "match" if found.matches else "mismatch"

    async def _ask(self, copy: Copy) -> tuple[Answer, str]:
        """The shadow's answer, and the outcome where the shadow itself gave none."""
        address = copy.call.in_force.mirror(copy.mirror).address()
        if address is None:
            return Answer("UNAVAILABLE"), "unreachable"
        method, deadline = copy.call.method, copy.mirror.deadline
        metadata = copy.call.mirrored(copy.trace)
        messages: list[bytes] = []
        is_unary = is_known_unary(method)
        begin = address.unary(method) if is_unary else address.unary_stream(method)
        try:
            call = address.counted(begin(copy.request, timeout=deadline, metadata=metadata))
        except grpc.aio.UsageError:  # a push took this connection away since the copy was offered
            return Answer("CANCELLED"), "cancelled"
        try:
            if isinstance(call, grpc.aio.UnaryUnaryCall):
                messages.append(await call)
            else:
                size = 0
                async for message in call:
                    size += len(message)
                    if size > copy.mirror.max_bytes:
                        call.cancel()
                        return Answer("RESOURCE_EXHAUSTED"), "dropped_bytes"
                    messages.append(message)
        except grpc.aio.AioRpcError as error:
            return _failure(error, over=is_over(call))
        return Answer("OK", tuple(messages)), ""


def _failure(error: grpc.aio.AioRpcError, *, over: bool) -> tuple[Answer, str]:
    """A status, and the outcome it stands for where it is not the shadow's own."""
    ending = ending_of(error.code(), error.details(), received(error.trailing_metadata()), over=over)
    if ending.reason == "no_live_upstream":
        return Answer(ending.code.name), "unreachable"
    if ending.reason == "deadline_exceeded":
        return Answer(ending.code.name), "deadline"
    details = ending.details.lower()
    if ending.code is grpc.StatusCode.RESOURCE_EXHAUSTED and "received message larger than max" in details:
        return Answer(ending.code.name), "dropped_bytes"
    return Answer(ending.code.name), "error" if ending.reason else ""


async def _compare(copy: Copy, primary: Answer, shadow: Answer) -> Comparison:
    """Large predictions are compared in a thread, so that no caller waits for them."""
    arguments = (copy.call.method, primary, shadow, copy.mirror.tolerance)
    if primary.size + shadow.size > THREAD_BYTES:
        return await asyncio.to_thread(compare, *arguments)
    return compare(*arguments)
