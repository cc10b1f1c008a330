"""Adding new evidence to what was merged before, so that a long stage is not read again at every look."""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from control.rollout.model import ArmEvidence, Observation

K = TypeVar("K")


def combine(first: ArmEvidence, second: ArmEvidence) -> ArmEvidence:
    """Both as one: the same as merging the rows of both at once."""
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


def grown(before: Observation, latest: Observation) -> Observation:
    """The arms of `before` with those of `latest` added; who has the snapshot is as `latest` says."""
    return dataclasses.replace(
        latest,
        stable=combine(before.stable, latest.stable),
        candidate=combine(before.candidate, latest.candidate),
        mirrored=combine(before.mirrored, latest.mirrored),
        noise=combine(before.noise, latest.noise),
    )


def _sum(first: Mapping[K, int], second: Mapping[K, int]) -> dict[K, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in (*first, *second)}


def _slow(first: ArmEvidence, second: ArmEvidence) -> Mapping[float, int]:
    """A bound is known of the whole only where every part that saw calls counted against it."""
    if first.latency.count == 0 and not first.slow:
        return second.slow
    if second.latency.count == 0 and not second.slow:
        return first.slow
    return {bound: first.slow[bound] + second.slow[bound] for bound in first.slow if bound in second.slow}
