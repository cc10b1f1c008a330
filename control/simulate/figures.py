"""What many runs come to."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Ended(StrEnum):
    """How a run ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    HELD = "held"  # undecided at the horizon, or paused for a person


@dataclass(frozen=True, slots=True)
class End:
    """One run: how it ended, and after how many seconds; where, by stage; why."""

    ended: Ended
    seconds: float
    stage: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """All runs. Minutes are those of the runs that were decided; None where none was."""

    runs: int
    promoted: int
    rolled_back: int
    held: int
    mean_minutes: float | None
    p90_minutes: float | None


def figures(ends: Sequence[End]) -> Figures:
    """The sum of what became of the runs."""
    minutes = sorted(end.seconds / 60 for end in ends if end.ended is not Ended.HELD)
    return Figures(
        runs=len(ends),
        promoted=_count(ends, Ended.PROMOTED),
        rolled_back=_count(ends, Ended.ROLLED_BACK),
        held=_count(ends, Ended.HELD),
        mean_minutes=statistics.fmean(minutes) if minutes else None,
        p90_minutes=minutes[-(-len(minutes) * 9 // 10) - 1] if minutes else None,
    )


def _count(ends: Iterable[End], ended: Ended) -> int:
    return sum(end.ended is ended for end in ends)
