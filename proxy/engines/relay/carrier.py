"""What an engine does with calls: decided, placed, moved, copied, counted.

Everything here runs on the event loop, in the course of one read; nothing waits.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from proxy.engines.calls import Refused, overloaded
from proxy.engines.door import Door
from proxy.engines.mirror import Mirrors
from proxy.engines.relay import framing
from proxy.engines.relay.address import Address
from proxy.engines.relay.answers import ending
from proxy.engines.relay.copied import Copied
from proxy.engines.relay.deadlines import Deadlines
from proxy.engines.relay.exchange import Exchange
from proxy.engines.relay.own_fields import OwnFields
from proxy.engines.relay.requests import Request
from proxy.engines.rerouting import moved
from proxy.http2.errors import NO_ERROR
from proxy.http2.settings import CONNECTION_WINDOW
from proxy.http2.stream import Stream
from proxy.policy.protocols import MODEL_NAME_BYTES
from proxy.policy.table import Route, Table

if TYPE_CHECKING:
    from proxy.engines.relay.caller import CallerConnection

TIMER_SLACK = 0.010
"""Seconds that a model server's timer may be early, by its roundings of what it was told."""


class Carrier:
    """Carries calls: `door` decides them, `mirrors` copies them."""

    def __init__(
        self, door: Door[Address], mirrors: Mirrors, deadlines: Deadlines, tasks: asyncio.TaskGroup
    ) -> None:
        self.door = door
        self._deadlines = deadlines
        self.now = time.perf_counter
        self._mirrors = mirrors
        self._tasks = tasks
        self.fields = OwnFields()
        self._table: Table | None = None  # that was in force last
        self._reads_messages = False  # some route of it does

    def __repr__(self) -> str:
        return f"<Carrier {self.door.limits}>"

    def begin(self, down: Stream, request: Request, caller: "CallerConnection", *, ended: bool) -> None:
        """A call came in."""
        exchange = Exchange(self, down, request, caller, self.now())
        down.owner = exchange
        exchange.is_whole = ended
        if not self.door.limits.enter():
            exchange.is_over = True
            self._refuse(exchange, overloaded("in_flight"))
            return
        in_force = self.door.in_force()
        table = None if ended or in_force is None else in_force.table
        if table is not self._table:
            self._table = table
            self._reads_messages = table is not None and any(map(_reads_messages, table.routes))
        if self._reads_messages and table is not None and table.needs_message(request.path, request.metadata):
            exchange.reach = max([MODEL_NAME_BYTES, *(route.sticky.max_bytes for route in table.routes)])
            exchange.recorded_room = exchange.reach + framing.PREFIX
            if request.timeout is not None:
                self._expire_at(exchange, exchange.started + request.timeout)
            return
        self._decide(exchange, None)

    def decide_if_known(self, exchange: Exchange) -> None:
        """More of a request came that is held for its first message."""
        length, there = framing.first_message(exchange.recorded)
        is_enough = exchange.recorded_room < 0 or exchange.down.connection.waiting >= CONNECTION_WINDOW
        if not exchange.is_whole and not is_enough and (length < 0 or there < length):
            return
        message = None
        if length >= 0:  # one byte more than is searched shows that there is more
            encoding = exchange.request.encoding
            message = framing.beginning(exchange.recorded, encoding, exchange.reach + 1)
        exchange.release()
        self._decide(exchange, message)

    def _decide(self, exchange: Exchange, message: bytes | None) -> None:
        request, limits = exchange.request, self.door.limits
        try:
            call = self.door.open(
                request.path,
                request.metadata,
                message,
                allowed=request.timeout,
                peer=exchange.caller.peer,
                started=exchange.started,
            )
        except Refused as refused:
            self._refuse(exchange, refused)
            exchange.end("")
            return
        if not limits.enter_variant(call.variant.name):
            excess = overloaded("in_flight_per_variant")
            self._refuse(exchange, excess)
            self.door.close(call, excess.code)
            exchange.end("")
            return
        call.carried = request
        exchange.call = call
        if call.timeout is not None:
            self._expire_at(exchange, exchange.started + call.timeout)
        if call.route.mirrors and not call.marked:
            exchange.copied = Copied(call, self._mirrors)
            for payload in exchange.recorded:
                exchange.copied.request.add(payload)
        if call.address is None:
            self._tasks.create_task(self._when_known(exchange), name="look-up")
        else:
            exchange.address = call.address
            call.address.in_flight += 1
            exchange.caller.begun.append(exchange)

    async def _when_known(self, exchange: Exchange) -> None:
        """A call to a target that was never looked up waits for its name, within its deadline."""
        call = exchange.call
        assert call is not None  # noqa: S101  # decided
        await call.upstream.known()
        if not exchange.is_over:
            call.address = call.upstream.address()
            if call.address is None:
                self.door.ledger.refused("no_live_upstream")
                self._fail(exchange)
            else:
                self._place(exchange, call.address)
            exchange.down.connection.socket.flush()

    def place(self, begun: list[Exchange]) -> None:
        """Send those that are still wanted."""
        for exchange in begun:
            if not exchange.is_over and exchange.address is not None:
                exchange.address.place(exchange, self.now())

    def _place(self, exchange: Exchange, address: Address) -> None:
        exchange.address = address
        address.in_flight += 1
        address.place(exchange, self.now())

    def move(self, exchange: Exchange, *, or_again: bool) -> None:
        """A call that surely reached nobody goes elsewhere, once; or to the same address again."""
        call, address = exchange.call, exchange.address
        assert call is not None  # noqa: S101  # it was sent
        if address is not None:
            exchange.address = None
            address.left()
        found = moved(self.door, call, self.now(), or_again=or_again)
        if found is None:
            self._fail(exchange)
        else:
            self._place(exchange, found)

    def _fail(self, exchange: Exchange) -> None:
        """No model server takes it: a copy that is under way already has nothing to be held against."""
        exchange.is_sent = False
        if exchange.copied is not None:
            exchange.copied.answer.forget()
        exchange.fail("UNAVAILABLE", "no live upstream", "no_live_upstream")

    def ended(self, exchange: Exchange, code: str) -> None:
        """A call is over; `code` is empty where it was never under way."""
        limits, call = self.door.limits, exchange.call
        self._deadlines.discard(exchange, exchange.tick)
        address = exchange.address
        if address is not None:
            address.forget(exchange)
            address.left()
        if call is not None:
            if code == "OK" and address is not None:
                address.answered()
            self.door.close(call, code)
            limits.leave_variant(call.variant.name)
        copied = exchange.copied
        if copied is not None:
            if exchange.is_sent and not exchange.was_cancelled:
                # The answer may have overtaken the caller's half-close.
                copied.offer(has_ended=exchange.has_headers)
            copied.settle(code, exchange.encoding, was_cancelled=exchange.was_cancelled)
        limits.leave()

    def is_over(self, exchange: Exchange) -> bool:
        """Whether a call has no time left: a model server's clock may have run out before ours."""
        call = exchange.call
        return (
            call is not None
            and call.timeout is not None
            and self.now() - exchange.started >= call.timeout - TIMER_SLACK
        )

    def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        """Answer a call that no model server sees."""
        self.door.ledger.refused(refused.reason)
        down = exchange.down
        parts = ending(refused.code, refused.details, refused.reason, is_alone=True)
        down.connection.send_headers(down, parts, end=True)
        if not down.peer_ended:
            down.connection.send_reset(down, NO_ERROR)

    def _expire_at(self, exchange: Exchange, at: float) -> None:
        if exchange.tick:
            self._deadlines.discard(exchange, exchange.tick)
        exchange.tick = self._deadlines.add(exchange, at)


def _reads_messages(route: Route) -> bool:
    """Whether a first message may have a say in what becomes of a call."""
    return bool(route.match.models) or route.sticky.payload or bool(route.sticky.fields)
