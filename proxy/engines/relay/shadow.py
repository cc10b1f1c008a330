"""Asks a shadow: one request on a stream of its own, whatever comes back, within the mirror's bounds.

A copy's stream is no one's source: it has windows of its own, and what it cannot send waits here, counted
by the mirror's limits, until its deadline.
"""

import time

from proxy.compare.answers import PER_MESSAGE, Answer
from proxy.engines.copies import Copy, Tell
from proxy.engines.relay import answers, framing
from proxy.engines.relay.address import Address
from proxy.engines.relay.deadlines import Deadlines
from proxy.engines.relay.own_fields import forwarded
from proxy.http2.errors import CANCEL
from proxy.http2.fields import Block
from proxy.http2.stream import Stream

TIMER_SLACK = 0.010
"""Seconds that a shadow's timer may be early, by its roundings of what it was told."""


class Asker:
    """Asks shadows."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    def ask(self, copy: Copy, tell: Tell) -> None:
        """See Ask."""
        address: Address | None = copy.call.in_force.mirror(copy.mirror).address()
        if address is None:
            tell(copy, Answer("UNAVAILABLE"), "unreachable")
            return
        asking = Asking(copy, address, tell, self._deadlines)
        address.in_flight += 1
        address.place(asking, asking.begun)


class Asking:
    """One copy under way, until it is told of."""

    __slots__ = (
        "_address", "_came", "_chunks", "_copy", "_deadlines", "_encoding", "_has_headers", "_is_over",
        "_tell", "_tick", "_up", "begun",
    )  # fmt: skip

    def __init__(self, copy: Copy, address: Address, tell: Tell, deadlines: Deadlines) -> None:
        self._copy = copy
        self._address = address
        self._tell = tell
        self._deadlines = deadlines
        self._up: Stream | None = None
        self.begun = time.perf_counter()
        self._chunks: list[bytes] = []
        self._came = 0  # bytes of the answer
        self._encoding = ""
        self._has_headers = False
        self._is_over = False
        self._tick = deadlines.add(self, self.begun + copy.mirror.deadline)

    def send_to(self, up: Stream, now: float) -> None:
        """See Waiting."""
        self._up = up
        copy = self._copy
        rest = copy.mirror.deadline - (now - self.begun)
        parts = forwarded(
            copy.call,
            copy.call.carried,
            copy.trace,
            rest,
            is_mirror=True,
            authority=copy.mirror.variant.authority,
        )
        (body,) = copy.requests
        up.connection.send_headers(up, parts, end=not body)
        if body:
            up.connection.send_data(up, body, end=True)

    def unreachable(self) -> None:
        """See Waiting."""
        self._end("UNAVAILABLE", "unreachable")

    def headers_came(self, block: Block, *, ended: bool) -> None:
        """See Owner."""
        if block.fault:
            self._end("UNAVAILABLE", "error")
            return
        answer = block.note
        if answer is None:
            answer = block.note = answers.Answer(block)
        if not self._has_headers and not (answer.http[:1] == "1" and not ended):
            self._has_headers = True
            self._encoding = answer.encoding
        if ended:
            self._end(answer.code, "")

    def data_came(self, payload: bytes, *, ended: bool) -> None:
        """See Owner."""
        self._came += len(payload)
        beside = PER_MESSAGE * len(self._chunks)
        if not self._copy.hold_answer(max(0, self._came - framing.PREFIX) + beside):
            self._end("RESOURCE_EXHAUSTED", "dropped_bytes")
            return
        self._chunks.append(payload)
        if self._up is not None:
            self._up.connection.passed_on(self._up, len(payload))
        if ended:
            self._end("UNKNOWN", "")

    def reset_came(self, code: int) -> None:
        """See Owner."""
        self._up = None
        if self._address.is_closed:
            self._end("CANCELLED", "cancelled")
        elif code in answers.NAMES_OF_RESETS:
            self._end(answers.NAMES_OF_RESETS[code], "")
        else:
            self._end("UNAVAILABLE", "error")

    def expire(self) -> None:
        """See Expiring."""
        self._end("DEADLINE_EXCEEDED", "deadline")

    def _end(self, code: str, outcome: str) -> None:
        """Leave nothing of it, and tell the status code's name, and the outcome where there is no answer."""
        if self._is_over:
            return
        self._is_over = True
        self._deadlines.discard(self, self._tick)
        self._address.forget(self)
        up, self._up = self._up, None
        if up is not None:
            up.connection.send_reset(up, CANCEL)
            up.owner = None
        self._address.left()
        allowed = self._copy.mirror.deadline - TIMER_SLACK
        if code != "OK" and time.perf_counter() - self.begun >= allowed:
            code, outcome = "DEADLINE_EXCEEDED", "deadline"  # by the shadow's clock, which knows of it
        shadow = None
        if code == "OK" and not outcome:
            shadow = framing.answer(code, b"".join(self._chunks), self._encoding)
            code, outcome = ("OK", "") if shadow else ("INTERNAL", "error")
        self._tell(self._copy, shadow or Answer(code), outcome)
