"""What a call that is mirrored gives to its copies: what it asked, once, and what it was answered.

It is kept in the payloads that came, shared with what passes on, within the room that mirrors have.
"""

from proxy.compare.answers import Answer
from proxy.engines.calls import AnyCall
from proxy.engines.copies import TOO_LARGE, UNCOMPARED, Copy
from proxy.engines.kept import Kept
from proxy.engines.mirror import Mirrors
from proxy.engines.relay import framing


class Copied:
    """One call's; it ends with `settle`."""

    __slots__ = ("_asked", "_call", "_copies", "_mirrors", "answer", "request")

    def __init__(self, call: AnyCall, mirrors: Mirrors) -> None:
        self._call = call
        self._mirrors = mirrors
        self.request = Kept(call.route.mirror_bytes, mirrors.limits, framing.PREFIX)
        self.answer = Kept(call.route.mirror_bytes, mirrors.limits, framing.PREFIX)
        self._copies: list[Copy] = []
        self._asked = False

    def __repr__(self) -> str:
        return f"<Copied {self._call.method} {self.request} {self.answer} {self._copies}>"

    def offer(self, *, has_ended: bool = False) -> None:
        """Copy the call, its primary being under way; one of several requests when that `has_ended`."""
        if self._asked:
            return
        payloads = self.request.parts
        body = b"".join(payloads or ())
        count = framing.count(body)
        if payloads is not None and count != 1 and not has_ended:
            return
        self._asked = True
        self.request.forget()
        if payloads is None:
            self._copies = self._mirrors.offer(self._call, (), TOO_LARGE)
        elif count is not None:
            self._copies = self._mirrors.offer(self._call, (body,), max(len(body) - framing.PREFIX, 0))
        if not self._copies:
            self.answer.forget()

    def settle(self, code: str, encoding: str, *, was_cancelled: bool) -> None:
        """The call has ended: nothing of it is kept any more, but what its copies hold."""
        payloads = self.answer.parts
        self.request.forget()
        self.answer.forget()
        if not self._copies:
            return
        answer: Answer | None = UNCOMPARED
        if was_cancelled:
            answer = None
        elif payloads is not None:
            found = framing.answer(code, b"".join(payloads), encoding) if code == "OK" else Answer(code)
            answer = found or UNCOMPARED
        self._mirrors.settle(self._copies, answer)
