"""From rows to what tests are given: bad events out of calls, window by window of every sidecar, by user.

A stratum is one window of one sidecar under one snapshot: within it both arms met the same hour and the same
split. Calls with a sticky key are told apart by the bucket of that key (64 of them), so that a test can see
how much more alike the calls of one group of users are than chance would have it; the rest of a tally was
drawn at random.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from understudy.v1 import telemetry_pb2

from control.rollout.criteria import Absolute, Criterion, Metric
from control.rollout.evidence import MIRROR_ANSWERED, MIRROR_ERRORS, Arm, bound_of
from control.rollout.histogram import Histogram, from_proto
from control.rollout.model import Plan
from control.rollout.sequential import Stratum, Tally

Counted = telemetry_pb2.Evidence | telemetry_pb2.BucketCounts


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that counts: whose it is, and where and when it was seen."""

    arm: Arm
    evidence: telemetry_pb2.Evidence
    node: str
    start: float


def strata(criterion: Criterion, arm: Arm, plan: Plan, entries: Iterable[Entry]) -> Iterator[Stratum]:
    """What a criterion on `arm` counts, in the order of arrival; without strata in which nobody called."""
    other = held_against(criterion, plan)
    for _, together in groupby(entries, key=_window):
        found = _stratum(criterion, plan, arm, other, tuple(together))
        if not found.is_empty:
            yield found


def held_against(criterion: Criterion, plan: Plan) -> Arm | None:
    """The arm that the criterion's own arm is compared with."""
    if criterion.metric is Metric.MATCH_RATE and plan.has_noise_twin:
        return Arm.NOISE
    return Arm.STABLE if criterion.is_relative else None


def _window(entry: Entry) -> tuple[str, float, int, int]:
    return entry.node, entry.start, entry.evidence.epoch, entry.evidence.version


def _stratum(
    criterion: Criterion, plan: Plan, arm: Arm, other: Arm | None, entries: Sequence[Entry]
) -> Stratum:
    mine = [entry.evidence for entry in entries if entry.arm is arm]
    theirs = [entry.evidence for entry in entries if entry.arm is other]
    with_latency = criterion.metric is Metric.LATENCY and criterion.is_relative
    return Stratum(
        candidate=_tally(criterion, plan, mine, mirrored=arm is Arm.MIRRORED),
        other=_tally(criterion, plan, theirs, mirrored=other is Arm.NOISE),
        candidate_latency=_latencies(mine) if with_latency else None,
        other_latency=_latencies(theirs) if with_latency else None,
        start=entries[0].start,
        node=entries[0].node,
    )


def _latencies(rows: Sequence[telemetry_pb2.Evidence]) -> Histogram:
    merged = Histogram()
    for row in rows:
        merged = merged.merge(from_proto(row.latency))
    return merged


def _tally(
    criterion: Criterion, plan: Plan, rows: Sequence[telemetry_pb2.Evidence], *, mirrored: bool
) -> Tally:
    n = bad = 0
    buckets: dict[int, tuple[int, int]] = {}
    for row in rows:
        more, worse = _count(criterion, plan, row, mirrored=mirrored)
        n, bad = n + more, bad + worse
        if not more:
            continue
        for bucket in row.buckets:
            more, worse = _count(criterion, plan, bucket, mirrored=mirrored)
            if more:
                number = bucket.bucket
                before = buckets.get(number)
                buckets[number] = (before[0] + more, before[1] + worse) if before else (more, worse)
    return Tally(n, bad, buckets)


def _count(criterion: Criterion, plan: Plan, row: Counted, *, mirrored: bool) -> tuple[int, int]:
    """(n, bad) of a row, or of a bucket of it."""
    outcomes = row.mirror_outcomes
    match criterion.metric:
        case Metric.MATCH_RATE:
            bad = outcomes.get("mismatch", 0)
            return outcomes.get("match", 0) + bad, bad
        case Metric.ERROR_RATE if mirrored:
            bad = sum(outcomes.get(outcome, 0) for outcome in MIRROR_ERRORS)
            return sum(outcomes.get(outcome, 0) for outcome in MIRROR_ANSWERED), bad
        case Metric.ERROR_RATE:
            return _failed(row, plan.error_codes)
        case Metric.ACCURACY if isinstance(row, telemetry_pb2.Evidence):
            return row.outcomes.labelled, row.outcomes.labelled - row.outcomes.right
        case Metric.LATENCY:
            return _slower(criterion, row)
        case _:
            return 0, 0


def _slower(criterion: Criterion, row: Counted) -> tuple[int, int]:
    """Calls that were held against the bound, and those that were slower. A row of before the bound was
    known says nothing of it.
    """
    if not isinstance(criterion.bound, Absolute):
        return _ended(row), 0
    ended = row.latency.count if isinstance(row, telemetry_pb2.Evidence) else _ended(row)
    for slow in row.slow:
        if bound_of(slow) == criterion.bound.value:
            return max(0, ended + slow.beside), slow.count
    return (ended, 0) if isinstance(row, telemetry_pb2.BucketCounts) else (0, 0)


def _failed(row: Counted, error_codes: frozenset[str]) -> tuple[int, int]:
    """Calls that ended, and those that failed; in one pass, since every bucket of every row comes here."""
    n = bad = row.fallbacks
    for code, count in row.codes.items():
        if code != "CANCELLED":
            n += count
            bad += count if code in error_codes else 0
    return n, bad


def _ended(row: Counted) -> int:
    return sum(count for code, count in row.codes.items() if code != "CANCELLED")
