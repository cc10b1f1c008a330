"""What a criterion is judged by and what comes of it: a test and its counts, a verdict and its figures."""

from dataclasses import dataclass
from enum import StrEnum

from control.rollout.sequential import DifferenceTest, QuantileTest, RateTest, RatioTest

Test = RateTest | RatioTest | DifferenceTest | QuantileTest


class Outcome(StrEnum):
    """What the evidence says of a criterion."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Count:
    """Bad events out of `n` of one arm; for a reading, only how many went into it."""

    arm: str
    n: int
    bad: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """The value of a test, and the limit at which it decides."""

    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Proof:
    """A sequential test of one sentence on one arm, and what it has seen since the rollout began."""

    test: Test
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A criterion judged: the measured value, the bound it is held against, and on how many calls."""

    require: str  # the sentence
    outcome: Outcome
    value: float | None  # rates 0 to 1, latencies in seconds; None without data
    bound: float | None
    n: int
    detail: str  # one line
    method: str = ""  # how it was judged
    counts: tuple[Count, ...] = ()  # what it was judged on
    to_fail: Reached | None = None  # how far the test is from a failure, and ...
    to_pass: Reached | None = None  # ... from a pass
    arm: str = ""  # that it was judged on
    is_final: bool = False  # whatever is still to come
    is_suspect: bool = False  # a failure, if calls were independent
