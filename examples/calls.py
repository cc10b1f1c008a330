"""What callers and model servers each remember of the calls between them. Pure, and light to import."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NamedTuple

COUNTS = "/understudy.examples.Counts/Get"
"""The method at which a model server tells what it served, as JSON: a list of `Served`, oldest first."""


@dataclass(frozen=True, slots=True)
class Record:
    """A caller's: when it began (seconds since 1970), whose, who served it, how it ended, its duration."""

    time: float
    user: str
    variant: str
    code: str
    seconds: float
    correct: bool

    @property
    def ended(self) -> float:
        """When it ended, seconds since 1970."""
        return self.time + self.seconds


class Served(NamedTuple):
    """A model server's: when the call came (seconds since 1970), whose, and whether it was a copy."""

    time: float
    user: str
    mirrored: bool


def to_lines(records: Iterable[Record]) -> str:
    """One line of JSON a record."""
    return "".join(f"{json.dumps(asdict(record))}\n" for record in records)


def from_lines(text: str) -> list[Record]:
    """What `to_lines` wrote."""
    return [Record(**json.loads(line)) for line in text.splitlines()]
