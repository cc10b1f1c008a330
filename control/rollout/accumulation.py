"""Adding new evidence to what was seen before, row by row in the order of arrival.

What a stage shows begins with its own first snapshot; what tests have seen goes on from stage to stage. The
same rows come to the same observation, however they are parted among looks: what a restart reads again is
what was seen before it.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from understudy.v1 import telemetry_pb2

from control.rollout.evidence import Arm, arm_of_row, calls, errors, evidence_of, merge
from control.rollout.model import ArmEvidence, Observation, Plan, Warmth
from control.rollout.proofs import seen
from control.rollout.sample_ratio import Split
from control.rollout.strata import Entry

K = TypeVar("K")
NOTHING = ArmEvidence()
_CANDIDATES = (Arm.CANDIDATE, Arm.MIRRORED)


@dataclass(frozen=True, slots=True)
class Row:
    """One arm in one window of one sidecar, and its place in the order of arrival."""

    evidence: telemetry_pb2.Evidence
    node: str = ""
    start: float = 0.0  # by the sidecar's clock
    end: float = 0.0
    arrival: int = 0

    @property
    def snapshot(self) -> tuple[int, int]:
        """Epoch and version that decided its calls."""
        return (self.evidence.epoch, self.evidence.version)


def grown(
    plan: Plan,
    before: Observation,
    rows: Iterable[Row],
    *,
    since: tuple[int, int],
    connected: int,
    acked: int,
    unconfirmed: tuple[str, ...] = (),
    dead: tuple[str, ...] = (),
) -> Observation:
    """`before` with what came in since; `since` is the snapshot that first carried the current stage."""
    rows, warmth = list(rows), before.warmth
    arrival = max((row.arrival for row in rows), default=before.arrival)
    counted: list[tuple[Arm, Row]] = []
    for row in rows:
        arm = arm_of_row(plan, row.evidence)
        if arm is None:
            continue
        if arm in _CANDIDATES:
            is_warm, warmth = _warmed(plan, warmth, row, mirrored=arm is Arm.MIRRORED)
            if not is_warm:
                continue
        counted.append((arm, row))
    here = [(arm, row) for arm, row in counted if row.snapshot >= since]
    by_arm = {arm: [row.evidence for each, row in here if each is arm] for arm in Arm}
    latest = {arm: merge(found) if found else NOTHING for arm, found in by_arm.items()}
    return dataclasses.replace(
        before,
        connected=connected,
        acked=acked,
        unconfirmed=unconfirmed,
        dead=dead,
        stable=combine(before.stable, latest[Arm.STABLE]),
        candidate=combine(before.candidate, latest[Arm.CANDIDATE]),
        mirrored=combine(before.mirrored, latest[Arm.MIRRORED]),
        noise=combine(before.noise, latest[Arm.NOISE]),
        readings=_readings(before.readings, rows, since),
        earlier=_earlier(before.earlier, [(arm, row) for arm, row in counted if row.snapshot < since]),
        proofs=seen(plan, before.proofs, [_entry(arm, row) for arm, row in counted]),
        warmth=warmth,
        newest=_newest(plan, before.newest, counted),
        split=_split(plan, before.split, rows, since),
        span=_span(before.span, [row for _, row in here]),
        arrival=max(arrival, before.arrival),
    )


def entered(before: Observation) -> Observation:
    """The same rollout as its next stage begins: nothing is seen of that yet."""
    fed = {arm: calls(evidence_of(before, arm), mirrored=arm is not Arm.STABLE) for arm in Arm}
    fed[Arm.CANDIDATE] = calls(before.candidate, mirrored=False)
    return Observation(
        earlier=_sum(before.earlier, {str(arm): count for arm, count in fed.items() if count}),
        proofs=before.proofs,
        warmth=before.warmth,
        newest=before.newest,
        split=before.split.entered(),
        arrival=before.arrival,
    )


def _newest(
    plan: Plan,
    before: Mapping[tuple[str, str], tuple[float, int, int]],
    counted: Iterable[tuple[Arm, Row]],
) -> Mapping[tuple[str, str], tuple[float, int, int]]:
    """A window's rows come one by one, and windows may come late."""
    grew = dict(before)
    for arm, row in counted:
        if arm not in _CANDIDATES:
            continue
        of = row.evidence
        evidence = ArmEvidence(
            codes=dict(of.codes), fallbacks=of.fallbacks, outcomes=dict(of.mirror_outcomes)
        )
        if not (count := calls(evidence, mirrored=arm is Arm.MIRRORED)):
            continue
        failed = errors(evidence, plan.error_codes, mirrored=arm is Arm.MIRRORED)
        end, earlier, failed_earlier = grew.get((arm, row.node), (-math.inf, 0, 0))
        if row.end > end:
            grew[arm, row.node] = (row.end, count, failed)
        elif row.end == end:
            grew[arm, row.node] = (end, earlier + count, failed_earlier + failed)
    return grew


def _entry(arm: Arm, row: Row) -> Entry:
    return Entry(arm, row.evidence, row.node, row.start)


def combine(first: ArmEvidence, second: ArmEvidence) -> ArmEvidence:
    """Both as one: the same as merging the rows of both at once."""
    if second is NOTHING:
        return first
    return ArmEvidence(
        codes=_sum(first.codes, second.codes),
        fallbacks=first.fallbacks + second.fallbacks,
        latency=first.latency.merge(second.latency),
        slow=_slow(first, second),
        beside=_sum(first.beside, second.beside),
        outcomes=_sum(first.outcomes, second.outcomes),
        right=first.right + second.right,
        labelled=first.labelled + second.labelled,
        scored=first.scored + second.scored,
        score_sum=first.score_sum + second.score_sum,
    )


def _warmed(plan: Plan, warmth: Warmth, row: Row, *, mirrored: bool) -> tuple[bool, Warmth]:
    """Whether the candidate was warm when a row's calls were made, and how warm it is after them."""
    if not (plan.warmup or plan.warmup_calls):
        return True, warmth
    if row.evidence.HasField("outcomes"):  # of calls made long before; the control service's own entry
        return warmth.calls >= plan.warmup_calls, warmth
    began = warmth.since.get(row.node)
    seen = warmth.calls
    if seen < plan.warmup_calls or began is None:
        count = calls(merge([row.evidence]), mirrored=mirrored)
        since = warmth.since if began is not None or not count else {**warmth.since, row.node: row.start}
        warmth = Warmth(since, seen + count)
    # A sidecar's clock that was put back is no reason to wait for it.
    is_early = began is None or began <= row.start < began + plan.warmup
    return seen >= plan.warmup_calls and not (plan.warmup and is_early), warmth


def _split(plan: Plan, before: Split, rows: Sequence[Row], since: tuple[int, int]) -> Split:
    """What the split gave to whom. Users who are told of late, as met in an earlier stage, count no more."""
    after = before
    for row in rows:
        arm, is_current = arm_of_row(plan, row.evidence), row.snapshot >= since
        if arm not in (Arm.STABLE, Arm.CANDIDATE):
            continue
        is_candidate, drawn = arm is Arm.CANDIDATE, row.evidence.drawn
        if is_current and drawn:
            after = after.drew(candidate=drawn) if is_candidate else after.drew(stable=drawn)
        if row.evidence.keys:
            after = after.assigned(row.evidence.keys, to_candidate=is_candidate, counts=is_current)
    return after


def _readings(
    before: Mapping[str, tuple[float | str, ...]], rows: Sequence[Row], since: tuple[int, int]
) -> Mapping[str, tuple[float | str, ...]]:
    """External metrics as they were read in this stage."""
    grew = dict(before)
    for row in rows:
        if row.snapshot >= since:
            for reading in row.evidence.readings:
                value = reading.value if reading.HasField("value") else reading.error
                grew[reading.metric] = (*grew.get(reading.metric, ()), value)
    return grew


def _earlier(before: Mapping[str, int], late: Iterable[tuple[Arm, Row]]) -> Mapping[str, int]:
    """Calls of earlier stages that are reported only now, too."""
    grew = dict(before)
    for arm, row in late:
        mirrored = arm in (Arm.MIRRORED, Arm.NOISE)
        grew[arm] = grew.get(arm, 0) + calls(merge([row.evidence]), mirrored=mirrored)
    return grew


def _span(before: tuple[float, float] | None, rows: Sequence[Row]) -> tuple[float, float] | None:
    starts = [row.start for row in rows] + ([before[0]] if before else [])
    ends = [row.end for row in rows] + ([before[1]] if before else [])
    return (min(starts), max(ends)) if starts else None


def _sum(first: Mapping[K, int], second: Mapping[K, int]) -> dict[K, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in (*first, *second)}


def _slow(first: ArmEvidence, second: ArmEvidence) -> Mapping[float, int]:
    """A bound is known of the whole only where every part that saw calls counted against it."""
    if first.latency.count == 0 and not first.slow:
        return second.slow
    if second.latency.count == 0 and not second.slow:
        return first.slow
    return {bound: first.slow[bound] + second.slow[bound] for bound in first.slow if bound in second.slow}
