"""What tests count: calls, and the bad events among them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from control.rollout.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Tally:
    """Bad events out of `n` calls of one arm; `buckets`: the same of those with a sticky key, (n, bad)."""

    n: int = 0
    bad: int = 0
    buckets: Mapping[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stratum:
    """One window of one sidecar under one snapshot: the candidate, and what it is held against, if anything.

    Latencies only where two distributions are held against each other.
    """

    candidate: Tally = Tally()
    other: Tally = Tally()
    candidate_latency: Histogram | None = None
    other_latency: Histogram | None = None
    start: float = 0.0  # of the window, by the sidecar's clock
    node: str = ""

    @property
    def is_empty(self) -> bool:
        """Nobody called."""
        return not (self.candidate.n or self.other.n)
