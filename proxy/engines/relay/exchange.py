"""One call through the relay: its two streams, and what is done about whatever comes on either.

    held ── its first message is there, or is not needed ──▶ placed ── a connection has room ──▶ sent
      (only where the policy asks for it)                                                          │
                                                  ended ◀── trailers, a reset, a deadline ◀── answered

Whoever ends it first (the model server, the caller, the deadline, the sidecar) owns the status; `end` counts
it once, and whatever is left of either stream is reset.
"""

from typing import TYPE_CHECKING

from proxy.engines.calls import Call
from proxy.engines.relay.answers import NAMES_OF_RESETS, Answer, ending
from proxy.engines.relay.own_fields import forwarded
from proxy.engines.relay.requests import Request
from proxy.http2.errors import CANCEL, NO_ERROR, REFUSED_STREAM
from proxy.http2.fields import Block
from proxy.http2.stream import Parts, Stream
from proxy.policy.deadlines import code_of_cancellation

if TYPE_CHECKING:
    from proxy.engines.relay.address import Address
    from proxy.engines.relay.caller import CallerConnection
    from proxy.engines.relay.carrier import Carrier
    from proxy.engines.relay.copied import Copied

REPLAYED = 64 * 1024
"""Bytes of a request that are kept until it is answered, for a model server that did not take it up."""


class Exchange:
    """A call under way."""

    __slots__ = (
        "address", "call", "caller", "carrier", "copied", "down", "encoding", "has_headers", "is_over",
        "is_sent", "is_whole", "owed", "reach", "recorded", "recorded_room", "request", "started", "tick",
        "up", "waiting", "was_cancelled",
    )  # fmt: skip

    def __init__(
        self, carrier: "Carrier", down: Stream, request: Request, caller: "CallerConnection", started: float
    ) -> None:
        self.carrier = carrier
        self.down = down
        self.up: Stream | None = None
        self.request = request
        self.caller = caller
        self.started = started
        self.call: Call[Address] | None = None
        self.address: Address | None = None  # that counts the call as in flight
        self.recorded: list[bytes] = []  # DATA of the request, as far as it may have to be sent again
        self.recorded_room = REPLAYED  # -1: no more is recorded
        self.waiting = 0  # bytes of it that its connection counts as lying here
        self.owed = 0  # bytes that the caller's window does not know to be on their way
        self.is_whole = False  # the caller has half-closed
        self.copied: Copied | None = None  # None where it is not mirrored
        self.encoding = ""  # of the answer
        self.has_headers = False  # the caller has the answer's first block
        self.is_over = False
        self.is_sent = False  # to a model server
        self.was_cancelled = False
        self.tick = 0
        self.reach = 0  # bytes of its first message that the policy looks at

    def __repr__(self) -> str:
        return f"<Exchange {self.request.path} {self.down} {self.up}{' over' if self.is_over else ''}>"

    # What the caller sends.

    def caller_sent(self, payload: bytes, *, ended: bool) -> None:
        """Bytes of the request."""
        if ended:
            self.is_whole = True
        if self.is_over:
            return
        size = len(payload)
        if self.copied is not None:
            self.copied.request.add(payload)
        up = self.up
        if up is None:
            self.recorded_room -= size
            self.recorded.append(payload)
            if self.call is None:
                self.waiting += size
                self.down.connection.waiting += size
                self.down.connection.passed_on(self.down, size)
                self.carrier.decide_if_known(self)
            else:
                self.owed += size
            return
        if self.recorded_room >= 0:
            self.recorded_room -= size
            self.recorded.append(payload)
            if self.recorded_room < 0:
                self.recorded.clear()
        up.connection.send_data(up, payload, end=ended)
        if ended and self.copied is not None:
            self.copied.offer()

    def caller_reset(self) -> None:
        """The caller does not want it any more."""
        if self.is_over:
            return
        remaining = self.request.timeout
        if remaining is not None:
            remaining -= self.carrier.now() - self.started
        self.was_cancelled = True
        self.end(code_of_cancellation(remaining, self.request.timeout))

    # What the model server sends.

    def send_to(self, up: Stream, now: float) -> None:
        """Begin the call on a stream of a model server's."""
        self.up = up
        self.is_sent = True
        call = self.call
        assert call is not None  # noqa: S101  # decided before it is placed
        rest = None if call.timeout is None else call.timeout - (now - self.started)
        authority = call.variant.authority
        parts = forwarded(call, self.request, call.trace, rest, is_mirror=call.marked, authority=authority)
        up.connection.send_headers(up, parts, end=self.is_whole and not self.recorded)
        last = len(self.recorded) - 1
        for at, payload in enumerate(self.recorded):
            up.connection.send_data(up, payload, end=self.is_whole and at == last)
        up.source, self.down.source = self.down, up
        if self.owed:
            self.down.connection.passed_on(self.down, self.owed)
            self.owed = 0
        if self.recorded_room < 0:
            self.recorded.clear()
        if self.is_whole and self.copied is not None:
            self.copied.offer()

    def unreachable(self) -> None:
        """There is no stream to be had where it was to go."""
        if not self.is_over:
            self.carrier.move(self, or_again=False)

    def headers_came(self, block: Block, *, ended: bool) -> None:
        """A header block of the answer."""
        if self.is_over:
            return
        if block.fault:
            self.fail("UNAVAILABLE", "upstream reset", "upstream_reset")
            return
        answer = block.note
        if answer is None:
            answer = block.note = Answer(block)
        if ended and answer.code == "DEADLINE_EXCEEDED" and self.carrier.is_over(self):
            self.fail("DEADLINE_EXCEEDED", "Deadline Exceeded", "deadline_exceeded")
            return
        if answer.http[:1] == "1" and not ended:
            return
        is_first = not self.has_headers
        parts = answer.parts
        if is_first:
            self.has_headers = True
            self.recorded_room = -1
            self.recorded.clear()
            self.encoding = answer.encoding
            parts = self._answered(answer)
        elif not ended:
            return
        self.down.connection.send_headers(self.down, parts, end=ended)
        if ended:
            self.end(answer.code)

    def data_came(self, payload: bytes, *, ended: bool) -> None:
        """Bytes of the answer."""
        if self.is_over:
            return
        if not self.has_headers:
            self.fail("UNAVAILABLE", "upstream reset", "upstream_reset")
            return
        if self.copied is not None:
            self.copied.answer.add(payload)
        self.down.connection.send_data(self.down, payload, end=ended)
        if ended:
            self.end("UNKNOWN")

    def reset_came(self, code: int) -> None:
        """The model server does not go on, or cannot."""
        if self.is_over:
            return
        self.up = None
        if code == REFUSED_STREAM and not self.has_headers and self.recorded_room >= 0:
            self.carrier.move(self, or_again=True)
        elif code in NAMES_OF_RESETS:
            self.down.connection.send_reset(self.down, code)
            self.end(NAMES_OF_RESETS[code])
        else:
            self.fail("UNAVAILABLE", "upstream reset", "upstream_reset")

    # How it ends.

    def fail(self, code: str, details: str, reason: str) -> None:
        """End it by a status of our own."""
        parts = ending(code, details, reason, is_alone=not self.has_headers)
        if not self.has_headers and self.call is not None:
            parts += self.carrier.fields.answered(self.call, has_request_id=False)
        self.down.connection.drop(self.down)
        self.down.connection.send_headers(self.down, parts, end=True)
        self.end(code)

    def expire(self) -> None:
        """Its deadline is over."""
        self.fail("DEADLINE_EXCEEDED", "Deadline Exceeded", "deadline_exceeded")

    def release(self) -> None:
        """What lies here of it is on its way, or of no use."""
        self.down.connection.waiting -= self.waiting
        self.waiting = 0

    def end(self, code: str) -> None:
        """Count it, and leave nothing of it on either side."""
        if self.is_over:
            return
        self.is_over = True
        self.release()
        up, down = self.up, self.down
        if up is not None:
            up.connection.send_reset(up, CANCEL)
            up.owner = up.source = None  # nothing is left that refers to itself, for the collector to find
            if down.held is None:
                down.source = None
        if down.we_ended and not down.peer_ended:
            down.connection.send_reset(down, NO_ERROR)
        if not down.connection.streams.get(down.id):
            down.owner = None
        self.carrier.ended(self, code)

    def _answered(self, answer: Answer) -> Parts:
        """A first block for the caller; our own fields last."""
        call = self.call
        assert call is not None  # noqa: S101  # decided before it is sent
        return answer.parts + self.carrier.fields.answered(call, has_request_id=answer.has_request_id)
