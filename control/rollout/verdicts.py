"""What the evidence says of a criterion: pass, fail, or inconclusive ("cannot tell yet").

Gate `threshold` is the plain rule: the measured value against the bound, over everything the stage saw.
When to ask is the machine's business. Fewer than min_calls in an arm that the criterion names is always
inconclusive, so that no data never passes and never fails.

    metric                         arm
    match_rate                     copies to the candidate
    error_rate, latency, requests  the candidate's live calls where the stage gives it any, else its copies
    stable                         stable's live calls
"""

from dataclasses import dataclass

from control.rollout.criteria import Absolute, Criterion, Metric, OfStable, format_value
from control.rollout.evidence import Arm, calls, errors, evidence_of
from control.rollout.model import Observation, Outcome, Plan, Stage, Verdict


@dataclass(frozen=True, slots=True)
class _Reading:
    """A metric of one arm."""

    arm: Arm
    value: float | None
    n: int

    def text(self, metric: Metric) -> str:
        if self.value is None:
            return f"{self.arm}: no calls"
        return f"{self.arm}: {format_value(metric, self.value)} of {self.n} calls"


def judge_all(plan: Plan, stage: Stage, observation: Observation) -> tuple[Verdict, ...]:
    """Every criterion of the stage, in its order."""
    return tuple(judge(criterion, observation, stage, plan) for criterion in stage.criteria)


def judge(criterion: Criterion, observation: Observation, stage: Stage, plan: Plan) -> Verdict:
    """One criterion by the plan's gate."""
    if plan.gate != "threshold":
        raise ValueError(f"gate {plan.gate!r} is not known")
    if criterion.metric is Metric.ACCURACY:
        return _judge_accuracy(criterion)
    measured = _read(criterion, observation, plan, arm_of(criterion, stage))
    if isinstance(criterion.bound, Absolute):
        return _against(criterion, plan, measured, None, criterion.bound.value, observation)
    stable = _read(criterion, observation, plan, Arm.STABLE)
    bound = None if stable.value is None else _bound_of(criterion.bound, stable.value)
    return _against(criterion, plan, measured, stable, bound, observation)


def arm_of(criterion: Criterion, stage: Stage) -> Arm:
    """The candidate's arm that the criterion measures in this stage."""
    if criterion.metric is Metric.MATCH_RATE or stage.percent == 0:
        return Arm.MIRRORED
    return Arm.CANDIDATE


def short_arms(plan: Plan, stage: Stage, observation: Observation) -> tuple[str, ...]:
    """Arms that have fewer than min_calls, each with its count: those the stage feeds or its criteria name.

    A stage without a criterion needs them too: no data never advances.
    """
    arms = [Arm.CANDIDATE] if stage.percent > 0 else []
    if stage.mirror_percent > 0:
        arms.append(Arm.MIRRORED)
    if any(criterion.is_relative for criterion in stage.criteria):
        arms.append(Arm.STABLE)
    counts = {arm: calls(evidence_of(observation, arm), mirrored=arm is Arm.MIRRORED) for arm in arms}
    short = [(arm, count) for arm, count in counts.items() if count < plan.min_calls]
    return tuple(f"{arm} has {count} of {plan.min_calls} calls" for arm, count in short)


def _judge_accuracy(criterion: Criterion) -> Verdict:
    bound = criterion.bound.value if isinstance(criterion.bound, Absolute) else None
    return Verdict(criterion.text, Outcome.INCONCLUSIVE, None, bound, 0, "no outcomes were reported")


def _against(
    criterion: Criterion,
    plan: Plan,
    measured: _Reading,
    stable: _Reading | None,
    bound: float | None,
    observation: Observation,
) -> Verdict:
    readings = [measured] if stable is None else [measured, stable]
    detail = "; ".join(reading.text(criterion.metric) for reading in readings)
    if bound is not None:
        detail += f"; bound {criterion.comparison} {format_value(criterion.metric, bound)}"
    short = [reading for reading in readings if reading.n < plan.min_calls]
    if measured.value is None or bound is None or short:
        detail += f"; fewer than {plan.min_calls} calls" if short else ""
        return Verdict(criterion.text, Outcome.INCONCLUSIVE, measured.value, bound, measured.n, detail)
    slow = evidence_of(observation, measured.arm).slow.get(bound) if stable is None else None
    if criterion.quantile is not None and slow is not None:
        allowed = round(1 - criterion.quantile, 12)
        holds = criterion.comparison.holds(slow / measured.n, allowed)
        detail += f"; {slow} of {measured.n} slower, {allowed:.4g} of them allowed"
    else:
        holds = criterion.comparison.holds(measured.value, bound)
    outcome = _outcome(criterion, holds=holds)
    return Verdict(criterion.text, outcome, measured.value, bound, measured.n, detail)


def _outcome(criterion: Criterion, *, holds: bool) -> Outcome:
    if holds:
        return Outcome.PASS
    # A count only grows: one that falls short proves nothing against the candidate.
    return Outcome.INCONCLUSIVE if criterion.metric is Metric.REQUESTS else Outcome.FAIL


def _read(criterion: Criterion, observation: Observation, plan: Plan, arm: Arm) -> _Reading:
    evidence, mirrored = evidence_of(observation, arm), arm is Arm.MIRRORED
    match criterion.metric:
        case Metric.LATENCY:
            quantile = evidence.latency.quantile(criterion.quantile or 0.5)
            return _Reading(arm, quantile, evidence.latency.count)
        case Metric.MATCH_RATE:
            return _rate(arm, evidence.matched, evidence.matched + evidence.mismatched)
        case Metric.ERROR_RATE:
            failed = errors(evidence, plan.error_codes, mirrored=mirrored)
            return _rate(arm, failed, calls(evidence, mirrored=mirrored))
        case Metric.REQUESTS | Metric.ACCURACY:
            count = calls(evidence, mirrored=mirrored)
            return _Reading(arm, float(count), count)


def _rate(arm: Arm, part: int, whole: int) -> _Reading:
    return _Reading(arm, round(part / whole, 12) if whole else None, whole)


def _bound_of(bound: OfStable, stable: float) -> float:
    # Rounded as rates are, so that a value that lies on the bound is on it.
    return round(stable * bound.factor + bound.margin, 12)
