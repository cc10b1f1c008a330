"""Single comparisons: what the control service keeps of them, and the last mismatches for the admin port.

A record holds nothing that a caller sent, and predicted values only where the route says so.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

PREDICTIONS = 2000
"""Of one window; whether one is kept has nothing to do with what it was."""

PER_OUTCOME = 50
"""Records of one outcome in one window; the counts stand for all that there are."""


@dataclass(frozen=True, slots=True)
class Record:
    """One comparison. `time` in seconds since 1970, latencies in seconds."""

    time: float
    route: str
    primary: str
    shadow: str
    primary_version: str
    shadow_version: str
    outcome: str
    output: str = ""
    reason: str = ""
    max_absolute: float = 0.0
    max_relative: float = 0.0
    primary_latency: float = 0.0
    shadow_latency: float = 0.0
    primary_prediction: str = ""
    shadow_prediction: str = ""
    noise: bool = False
    trace_id: str = ""

    @property
    def matches(self) -> bool:
        """Whether the two predictions agreed."""
        return self.outcome == "match"

    @property
    def is_mismatch(self) -> bool:
        """Whether the shadow answered otherwise, or with an error."""
        return self.outcome.startswith("mismatch_") or self.outcome == "error"


@dataclass(slots=True)
class Records:
    """Those of one window."""

    kept: list[Record] = field(default_factory=list)
    by_outcome: Counter[tuple[str, str]] = field(default_factory=Counter)

    def offer(self, record: Record) -> None:
        """Keep it, unless there are many like it already."""
        key = record.shadow, record.outcome
        self.by_outcome[key] += 1
        if self.by_outcome[key] <= PER_OUTCOME:
            self.kept.append(record)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted for one call, for a label that may come; `at` is the snapshot that decided it."""

    nonce: str
    time_ms: int
    route: str
    primary: str
    shadow: str
    primary_version: str
    shadow_version: str
    at: tuple[int, int]
    primary_prediction: str
    shadow_prediction: str
    bucket: int | None = None


def last(count: int) -> deque[Record]:
    """Room for this many records; the oldest make way."""
    return deque(maxlen=count)
