"""From what sidecars reported to what is seen of a rollout's arms.

A live arm is the calls that a caller waited for; the mirrored arm is the copies. A call that the fallback
served counts as a call and an error of the variant it was meant for. A caller's cancellation leaves the
count. Of the copies only those count that got an answer, or should have: one that was dropped or cancelled
says nothing of the shadow.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import overload

from google.protobuf.duration_pb2 import Duration
from understudy.checks.numbers import seconds
from understudy.v1 import rollouts_pb2, telemetry_pb2

from control.rollout.histogram import from_proto, merge_all
from control.rollout.model import ArmEvidence, Observation, Plan

MIRROR_ERRORS = ("error", "deadline", "unreachable")
MIRROR_ANSWERED = ("match", "mismatch", "uncompared", *MIRROR_ERRORS)


class Arm(StrEnum):
    """Whose calls are meant."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    MIRRORED = "mirrored"
    NOISE = "noise"  # a second copy of what served the call


def merge(rows: Iterable[telemetry_pb2.Evidence]) -> ArmEvidence:
    """All rows of one arm as one."""
    codes: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    slow: list[dict[float, int]] = []
    beside: Counter[float] = Counter()
    histograms = []
    fallbacks = right = labelled = scored = 0
    score_sum = 0.0
    for row in rows:
        codes.update(row.codes)
        outcomes.update(row.mirror_outcomes)
        fallbacks += row.fallbacks
        histograms.append(from_proto(row.latency))
        if row.latency.count or row.slow:
            slow.append({bound_of(each): each.count for each in row.slow})
            beside.update({bound_of(each): each.beside for each in row.slow if each.beside})
        right, labelled = right + row.outcomes.right, labelled + row.outcomes.labelled
        scored, score_sum = scored + row.outcomes.scored, score_sum + row.outcomes.score_sum
    return ArmEvidence(
        codes=dict(codes),
        fallbacks=fallbacks,
        latency=merge_all(histograms),
        slow=_merge_slow(slow),
        beside={bound: count for bound, count in beside.items() if count},
        outcomes=dict(outcomes),
        right=right,
        labelled=labelled,
        scored=scored,
        score_sum=score_sum,
    )


def bound_of(slow: telemetry_pb2.SlowCount) -> float:
    """In seconds, as the criteria have it."""
    return round(seconds(slow.bound), 9)


def _merge_slow(rows: list[dict[float, int]]) -> dict[float, int]:
    """A bound is known of the whole only where every row that saw calls counted against it."""
    if not rows:
        return {}
    known = set(rows[0]).intersection(*rows[1:])
    return {bound: sum(row[bound] for row in rows) for bound in sorted(known)}


def arm_of_row(plan: Plan, row: telemetry_pb2.Evidence) -> Arm | None:
    if row.route != plan.route:
        return None
    if row.noise:
        return Arm.NOISE
    if row.variant == plan.candidate:
        return Arm.MIRRORED if row.mirrored else Arm.CANDIDATE
    if row.variant == plan.stable and not row.mirrored:
        return Arm.STABLE
    return None


def evidence_of(observation: Observation, arm: Arm) -> ArmEvidence:
    match arm:
        case Arm.STABLE:
            return observation.stable
        case Arm.CANDIDATE:
            return observation.candidate
        case Arm.MIRRORED:
            return observation.mirrored
        case Arm.NOISE:
            return observation.noise


def calls(evidence: ArmEvidence, *, mirrored: bool) -> int:
    """The calls that count."""
    if mirrored:
        return sum(evidence.outcomes.get(outcome, 0) for outcome in MIRROR_ANSWERED)
    finished = sum(count for code, count in evidence.codes.items() if code != "CANCELLED")
    return finished + evidence.fallbacks


def errors(evidence: ArmEvidence, error_codes: frozenset[str], *, mirrored: bool) -> int:
    """Those of them that failed."""
    if mirrored:
        return sum(evidence.outcomes.get(outcome, 0) for outcome in MIRROR_ERRORS)
    return sum(evidence.codes.get(code, 0) for code in error_codes) + evidence.fallbacks


def match_rate(evidence: ArmEvidence) -> float | None:
    """The share of the compared copies that matched; None where nothing was compared."""
    compared = evidence.matched + evidence.mismatched
    return evidence.matched / compared if compared else None


def arm_figures(plan: Plan, observation: Observation) -> list[rollouts_pb2.ArmFigures]:
    """What the status shows of each arm: stable, candidate, copies."""
    live = calls(observation.stable, mirrored=False) + calls(observation.candidate, mirrored=False)
    return [_figures(plan, observation, arm, live) for arm in Arm if arm is not Arm.NOISE]


def _figures(plan: Plan, observation: Observation, arm: Arm, live: int) -> rollouts_pb2.ArmFigures:
    evidence, mirrored = evidence_of(observation, arm), arm is Arm.MIRRORED
    count = calls(evidence, mirrored=mirrored)
    return rollouts_pb2.ArmFigures(
        variant=plan.stable if arm is Arm.STABLE else plan.candidate,
        mirrored=mirrored,
        calls=count,
        errors=errors(evidence, plan.error_codes, mirrored=mirrored),
        share=count / live if live and not mirrored else 0.0,
        latency_p50=to_duration(evidence.latency.quantile(0.5)),
        latency_p99=to_duration(evidence.latency.quantile(0.99)),
        matched=evidence.matched,
        mismatched=evidence.mismatched,
    )


@overload
def to_duration(value: float) -> Duration: ...
@overload
def to_duration(value: float | None) -> Duration | None: ...
def to_duration(value: float | None) -> Duration | None:
    """Seconds as a message; absent stays absent."""
    if value is None:
        return None
    nanos = round(value * 1e9)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)
