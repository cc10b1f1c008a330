"""What a metric measures, as one number: of one arm, over all that is seen of it."""

from dataclasses import dataclass, replace

from control.rollout.criteria import Absolute, Criterion, Metric, format_value
from control.rollout.evidence import Arm, calls, errors, evidence_of
from control.rollout.model import ArmEvidence, Observation, Plan, Stage


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric of one arm; `n` calls went into it, of which `bad` were what the metric counts."""

    arm: Arm
    value: float | None
    n: int
    bad: int | None = None
    note: str = ""

    def text(self, metric: Metric) -> str:
        if self.value is None:
            return f"{self.arm}: no calls"
        return f"{self.arm}: {format_value(metric, self.value)} of {self.n} calls{self.note}"


def arm_of(criterion: Criterion, stage: Stage) -> Arm:
    """The candidate's arm that the criterion measures in this stage."""
    if criterion.metric is Metric.MATCH_RATE or stage.percent == 0:
        return Arm.MIRRORED
    return Arm.CANDIDATE


def read(criterion: Criterion, observation: Observation, plan: Plan, arm: Arm) -> Reading:
    """The metric's value; an external one is no arm's."""
    evidence, mirrored = evidence_of(observation, arm), arm in (Arm.MIRRORED, Arm.NOISE)
    found = Reading(arm, None, 0)
    match criterion.metric:
        case Metric.LATENCY:
            found = _latency(arm, criterion, evidence)
        case Metric.LATENCY_MEAN:
            found = _mean(arm, evidence.latency.sum, evidence.latency.count)
        case Metric.MATCH_RATE:
            found = _net_of_noise(_matched(arm, evidence), _matched(Arm.NOISE, observation.noise))
        case Metric.ERROR_RATE:
            failed = errors(evidence, plan.error_codes, mirrored=mirrored)
            found = _rate(arm, failed, calls(evidence, mirrored=mirrored))
        case Metric.ACCURACY:
            found = _rate(arm, evidence.right, evidence.labelled)
            found = replace(found, bad=evidence.labelled - evidence.right)
        case Metric.SCORE_MEAN:
            found = _mean(arm, evidence.score_sum, evidence.scored)
        case Metric.REQUESTS:
            count = calls(evidence, mirrored=mirrored)
            found = Reading(arm, float(count), count)
        case Metric.EXTERNAL:
            pass
    return found


def _mean(arm: Arm, total: float, count: int) -> Reading:
    return Reading(arm, total / count if count else None, count)


def _latency(arm: Arm, criterion: Criterion, evidence: ArmEvidence) -> Reading:
    """With a bound of its own, a call is held against it once it has passed it, whether it ended or not."""
    value, count = evidence.latency.quantile(criterion.quantile or 0.5), evidence.latency.count
    if not isinstance(criterion.bound, Absolute) or criterion.bound.value not in evidence.slow:
        return Reading(arm, value, count)
    bound = criterion.bound.value
    held = count + evidence.beside.get(bound, 0)
    return Reading(arm, bound if value is None and held else value, held, evidence.slow[bound])


def _matched(arm: Arm, evidence: ArmEvidence) -> Reading:
    return replace(
        _rate(arm, evidence.matched, evidence.matched + evidence.mismatched), bad=evidence.mismatched
    )


def _net_of_noise(copies: Reading, itself: Reading) -> Reading:
    """The share of what the model agrees with itself on, where a second copy of it tells what that is."""
    if copies.value is None or not itself.value:
        return copies
    note = f", net of {format_value(Metric.MATCH_RATE, 1 - itself.value)} noise"
    return replace(copies, value=min(1.0, round(copies.value / itself.value, 12)), note=note)


def _rate(arm: Arm, part: int, whole: int) -> Reading:
    return Reading(arm, round(part / whole, 12) if whole else None, whole, part)
