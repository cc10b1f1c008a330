"""Gate `threshold`: the measured value against the bound, over everything the stage saw.

When to ask is the machine's business. Fewer than min_calls in an arm that the criterion names is always
inconclusive, so that no data never passes and never fails.
"""

from control.rollout.criteria import Absolute, Criterion, Metric, OfStable, format_value
from control.rollout.evidence import Arm
from control.rollout.judgements import Count, Outcome, Verdict
from control.rollout.model import Gate, Observation, Plan
from control.rollout.readings import Reading, read


def judge_value(criterion: Criterion, arm: Arm, observation: Observation, plan: Plan) -> Verdict:
    """One criterion by what was measured."""
    if criterion.metric is Metric.EXTERNAL:
        return _judge_external(criterion, observation, plan)
    measured = read(criterion, observation, plan, arm)
    if isinstance(criterion.bound, Absolute):
        return _against(criterion, plan, measured, None, criterion.bound.value)
    stable = read(criterion, observation, plan, Arm.STABLE)
    bound = None if stable.value is None else _bound_of(criterion.bound, stable.value)
    return _against(criterion, plan, measured, stable, bound)


def _against(
    criterion: Criterion,
    plan: Plan,
    measured: Reading,
    stable: Reading | None,
    bound: float | None,
) -> Verdict:
    readings = [measured] if stable is None else [measured, stable]
    detail = "; ".join(reading.text(criterion.metric) for reading in readings)
    if bound is not None:
        detail += f"; bound {criterion.comparison} {format_value(criterion.metric, bound)}"
    outcome = Outcome.INCONCLUSIVE
    if criterion.metric in (Metric.ACCURACY, Metric.SCORE_MEAN) and not measured.n:
        detail = "no outcomes were reported"
    elif measured.value is None or bound is None or any(each.n < plan.min_calls for each in readings):
        detail += f"; fewer than {plan.min_calls} calls"
    else:
        holds, how = _holds(criterion, measured, measured.value, bound)
        outcome, detail = _outcome(criterion, holds=holds), detail + how
    counts = tuple(Count(each.arm, each.n, each.bad) for each in readings)
    value = measured.value if measured.n else None
    return Verdict(
        criterion.text, outcome, value, bound, measured.n, detail, Gate.THRESHOLD, counts, arm=measured.arm
    )


def _holds(criterion: Criterion, measured: Reading, value: float, bound: float) -> tuple[bool, str]:
    """By the count of slower calls where there is one: it is exact, a histogram's bucket is not."""
    if criterion.quantile is None or measured.bad is None:
        return criterion.comparison.holds(value, bound), ""
    allowed = round(1 - criterion.quantile, 12)
    holds = criterion.comparison.holds(round(measured.bad / measured.n, 12), allowed)
    return holds, f"; {measured.bad} of {measured.n} slower, {allowed:.4g} of them allowed"


def _outcome(criterion: Criterion, *, holds: bool) -> Outcome:
    if holds:
        return Outcome.PASS
    # A count only grows: one that falls short proves nothing against the candidate.
    return Outcome.INCONCLUSIVE if criterion.metric is Metric.REQUESTS else Outcome.FAIL


def _judge_external(criterion: Criterion, observation: Observation, plan: Plan) -> Verdict:
    """Readings beyond the bound, more than are forgiven, are a failure; the last answer tells the rest."""
    bound = criterion.bound.value if isinstance(criterion.bound, Absolute) else None
    rules = plan.external[criterion.name]
    readings = observation.readings.get(criterion.name, ())
    answers = [each for each in readings if not isinstance(each, str)]
    silences = [each for each in readings if isinstance(each, str)]

    def holds(value: float | str) -> bool:
        return not isinstance(value, str) and bound is not None and criterion.comparison.holds(value, bound)

    beyond = sum(not holds(each) for each in answers)
    counted = beyond + (len(silences) if rules.silence_fails else 0)
    detail = f"{criterion.name}: {len(answers)} answers, {beyond} beyond the bound"
    detail += f"; {len(silences)} times no answer"
    if silences:
        detail += f" (last: {silences[-1]})"
    outcome = Outcome.PASS
    if counted > rules.failure_limit:
        outcome, detail = Outcome.FAIL, f"{detail}; {rules.failure_limit} are forgiven"
    elif not (readings and holds(readings[-1])):
        outcome = Outcome.INCONCLUSIVE
    value = answers[-1] if answers else None
    count = Count(criterion.name, len(readings), counted)
    is_final = outcome is Outcome.FAIL  # what is not forgiven now never will be
    return Verdict(
        criterion.text,
        outcome,
        value,
        bound,
        len(answers),
        detail,
        Gate.THRESHOLD,
        (count,),
        is_final=is_final,
    )


def _bound_of(bound: OfStable, stable: float) -> float:
    # Rounded as rates are, so that a value that lies on the bound is on it.
    return round(stable * bound.factor + bound.margin, 12)
