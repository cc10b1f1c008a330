"""When to leave a shadow alone: one that keeps failing is cut off for a while, then tried with one copy.

    closed ──FAILURES in a row──▶ open ──pause is over──▶ half open: one copy ──it is answered──▶ closed
                                   ▲                                  │
                                   └────────it fails: twice the pause─┘

A failure is a copy without an answer of the shadow's own: unreachable, reset, too late, or more than there
was room for. A status that the model server chose is an answer, however bad: that is for comparing to tell.
That the primary was cancelled says nothing of the shadow.
"""

from dataclasses import dataclass
from enum import StrEnum

FAILURES = 10
"""In a row, until a shadow is cut off."""

FIRST_PAUSE = 1.0
"""Seconds; each further one is twice as long ..."""

LONGEST_PAUSE = 30.0
"""... up to this."""


class Change(StrEnum):
    """What is worth a line in the log."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(slots=True)
class Breaker:
    """One shadow's. `now` is a monotonic clock's, in seconds.

    `began` gives a number that the copy's end is told with: while a shadow is cut off only the one copy that
    tries it tells anything, not those that were under way before.
    """

    failures: int = 0  # in a row
    pause: float = 0.0  # that began last; 0: closed
    until: float = 0.0  # when that is over
    is_trying: bool = False  # the one copy is under way
    turn: int = 0  # how often it was cut off

    @property
    def is_open(self) -> bool:
        """The shadow is cut off."""
        return self.pause > 0

    def admits(self, now: float) -> bool:
        """Whether a copy may be sent now."""
        return self.pause <= 0 or (now >= self.until and not self.is_trying)

    def began(self) -> int:
        """A copy that was admitted is under way."""
        self.is_trying = self.pause > 0
        return self.turn

    def succeeded(self, turn: int) -> Change | None:
        """A copy was answered."""
        if not self._counts(turn):
            return None
        was_open = self.is_open
        self.failures, self.pause, self.until, self.is_trying = 0, 0.0, 0.0, False
        return Change.CLOSED if was_open else None

    def failed(self, turn: int, now: float) -> Change | None:
        """A copy was not answered."""
        if not self._counts(turn):
            return None
        was_open = self.is_open
        self.failures += 1
        if not was_open and self.failures < FAILURES:
            return None
        self.pause = min(self.pause * 2, LONGEST_PAUSE) if was_open else FIRST_PAUSE
        self.until, self.is_trying, self.turn = now + self.pause, False, self.turn + 1
        return None if was_open else Change.OPENED

    def gave_up(self, turn: int) -> None:
        """A copy ended without telling anything of the shadow."""
        if self._counts(turn):
            self.is_trying = False

    def _counts(self, turn: int) -> bool:
        return turn == self.turn and (self.is_trying or self.pause <= 0)
