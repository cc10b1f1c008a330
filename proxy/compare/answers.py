"""What is compared, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

PER_MESSAGE = 64
"""Bytes that each message takes beside its own, from the second on: those of a stream may all be empty."""


class Answer(NamedTuple):
    """How a call ended: its status code's name, and the messages that came before it.

    `encodings` says what each message is compressed in, empty where it is not; it is left out where none is.
    """

    code: str
    messages: Sequence[bytes | memoryview] = ()
    encodings: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Bytes of all messages, and what they take beside."""
        if len(self.messages) == 1:
            return len(self.messages[0])
        return sum(map(len, self.messages)) + PER_MESSAGE * max(len(self.messages) - 1, 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two predictions agree; if not, in which output, why, and by what kind of difference.

    The differences are the largest seen between numbers: absolute, and relative to the primary's. Kinds:
    status, messages, bytes, missing, shape, type, values, parameters.
    """

    matches: bool
    output: str = ""
    reason: str = ""
    max_absolute: float = 0.0
    max_relative: float = 0.0
    kind: str = ""

    @property
    def outcome(self) -> str:
        """As the records have it."""
        return "match" if self.matches else f"mismatch_{self.kind}"


ALIKE = Comparison(matches=True)
"""Two predictions between which there is no difference at all."""


class Undecodable(Exception):
    """A message that is not what its protocol says; the answers are then compared byte for byte."""
