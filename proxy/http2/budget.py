"""How much a peer may ask for that is no work: counted per connection, over windows of ten seconds.

Every limit has a floor, for connections that are quiet, and grows with the useful frames (HEADERS and DATA
that belonged to a stream): Go's and C++'s clients measure the bandwidth by a PING for every round of DATA.
A peer above its limit is sent away with ENHANCE_YOUR_CALM.

Source: the attacks of CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316, CVE-2025-8671.
"""

from proxy.http2.errors import ENHANCE_YOUR_CALM, ConnectionFault

SPAN = 10.0
"""Seconds that are counted together."""

CONTINUATIONS = 8
BLOCK_SIZE = 64 * 1024
"""CONTINUATION frames and bytes of one header block."""

PING, SETTINGS, WINDOW_UPDATE, PRIORITY, EMPTY_DATA, RESET, STRAY, UNKNOWN, PREMATURE, INTERIM = range(10)

_FLOORS = (100, 20, 500, 200, 10, 1000, 1000, 100, 100, 100)
_PER_USEFUL = (1.0, 0.01, 10.0, 0.0, 0.0, 0.25, 1.0, 0.0, 0.05, 0.4)
"""By kind: allowed at any rate, and for each useful frame besides. A thousand callers that give up at
once, their server being stuck, are no attack; a hundred thousand streams that are reset as they begin are.
An answer that comes before its request has ended makes a stray frame of every call: the rest of the request
here, and a RST_STREAM of NO_ERROR from model servers like nginx. PREMATURE are streams that came and went in
one read, and those that we have to reset for breaking a rule: nobody can have wanted them, and the model
server's connection, which all callers share, may see each. INTERIM are header blocks of an answer that
neither begin nor end it: one or two a call, and useful frames themselves.
"""
_NAMES = (
    "PING", "SETTINGS", "WINDOW_UPDATE", "PRIORITY", "empty DATA", "resets", "stray frames", "unknown",
    "streams begun for nothing", "answers that answer nothing",
)  # fmt: skip


class Budget:
    """One connection's."""

    __slots__ = ("_begun", "_spent", "useful")

    def __init__(self, now: float) -> None:
        self._begun = now
        self._spent = [0] * len(_FLOORS)
        self.useful = 0

    def __repr__(self) -> str:
        return f"<Budget {dict(zip(_NAMES, self._spent, strict=True))} useful={self.useful}>"

    def spend(self, kind: int, now: float) -> None:
        """One more; raises ConnectionFault where it is one too many."""
        if now - self._begun > SPAN:
            self._begun = now
            self._spent = [0] * len(_FLOORS)
            self.useful = 0
        self._spent[kind] += 1
        if self._spent[kind] > _FLOORS[kind] + _PER_USEFUL[kind] * self.useful:
            raise ConnectionFault(ENHANCE_YOUR_CALM, f"too many {_NAMES[kind]}")
