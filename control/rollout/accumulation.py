"""Adding new evidence to what was merged before, so that a long stage is not read again at every look."""

import dataclasses
from collections.abc import Mapping

from control.rollout.model import ArmEvidence, Observation


def combine(first: ArmEvidence, second: ArmEvidence) -> ArmEvidence:
    """Both as one: the same as merging the rows of both at once."""
    return ArmEvidence(
        codes=_sum(first.codes, second.codes),
        fallbacks=first.fallbacks + second.fallbacks,
        latency=first.latency.merge(second.latency),
        slow=_slow(first, second),
        outcomes=_sum(first.outcomes, second.outcomes),
    )


def grown(before: Observation, latest: Observation) -> Observation:
    """The arms of `before` with those of `latest` added; who has the snapshot is as `latest` says."""
    return dataclasses.replace(
        latest,
        stable=combine(before.stable, latest.stable),
        candidate=combine(before.candidate, latest.candidate),
        mirrored=combine(before.mirrored, latest.mirrored),
    )


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in (*first, *second)}


def _slow(first: ArmEvidence, second: ArmEvidence) -> Mapping[float, int]:
    """A bound is known of the whole only where every part that saw calls counted against it."""
    if first.latency.count == 0:
        return second.slow
    if second.latency.count == 0:
        return first.slow
    return {bound: first.slow[bound] + second.slow[bound] for bound in first.slow if bound in second.slow}
