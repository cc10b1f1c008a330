"""Gate `sequential`: tests that are valid however often they look.

Each distinct sentence, on each arm that some stage judges it on, is one test over everything since the
rollout began, whatever the stage: evidence is carried along. A failure is proven at the rollout's alpha
shared out over its tests, so that alpha is the whole chance of a false rollback; a pass is proven at alpha.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from control.rollout.criteria import Absolute, Criterion, Metric, describe
from control.rollout.evidence import Arm
from control.rollout.judgements import Count, Outcome, Proof, Reached, Test, Verdict
from control.rollout.model import Gate, Observation, Plan
from control.rollout.readings import arm_of, read
from control.rollout.sequential import DifferenceTest, QuantileTest, RateTest, RatioTest
from control.rollout.strata import Entry, held_against, strata

MOST = 700.0
"""Evidence is told up to e^700, which a float holds."""

WORTH_TELLING = 1.05
"""Calls that count as one, from which on it is said."""

Key = tuple[str, str]
_BAD = {
    Metric.ERROR_RATE: "failed",
    Metric.LATENCY: "slower",
    Metric.MATCH_RATE: "did not match",
    Metric.ACCURACY: "wrong",
}
_NAMES = {RateTest: "rate", RatioTest: "ratio", DifferenceTest: "difference", QuantileTest: "quantile"}


def judged_on(plan: Plan) -> dict[Key, tuple[Criterion, Arm]]:
    """Every test of the plan: the sentence in its canonical words, and the arm it is judged on."""
    if plan.gate is not Gate.SEQUENTIAL:
        return {}
    found = {}
    for stage in plan.stages:
        for criterion in stage.criteria:
            arm = arm_of(criterion, stage)
            found[describe(criterion), str(arm)] = (criterion, arm)
    return found


def begun(criterion: Criterion, plan: Plan) -> Test:
    """The test of a sentence that has seen nothing. Bad are: errors, mismatches, wrong labels, slow calls."""
    bound = criterion.bound
    if isinstance(bound, Absolute):
        if criterion.quantile is not None:
            return RateTest(round(1 - criterion.quantile, 12))
        allowed = bound.value if criterion.metric is Metric.ERROR_RATE else round(1 - bound.value, 12)
        return DifferenceTest(allowed) if held_against(criterion, plan) else RateTest(allowed)
    if criterion.quantile is not None:
        return QuantileTest(criterion.quantile, bound.factor)
    return DifferenceTest(abs(bound.margin)) if bound.margin else RatioTest(bound.factor)


def seen(plan: Plan, before: Mapping[Key, Proof], entries: Iterable[Entry]) -> Mapping[Key, Proof]:
    """Every test of the plan with what came in since, in the order of arrival."""
    entries, after = tuple(entries), dict(before)
    for key, (criterion, arm) in judged_on(plan).items():
        proof = after.get(key) or Proof(begun(criterion, plan))
        test, mine, other = proof.test, [0, 0], [0, 0]
        for stratum in strata(criterion, arm, plan, entries):
            test = test.seen(stratum)
            for sums, tally in ((mine, stratum.candidate), (other, stratum.other)):
                sums[0] += tally.n
                sums[1] += tally.bad
        is_share = not isinstance(test, QuantileTest)
        counts = _counts(proof.counts, arm, mine, is_share=is_share)
        if (against := held_against(criterion, plan)) is not None:
            counts += _counts(proof.counts, against, other, is_share=is_share)
        after[key] = Proof(test, counts)
    return after


def judge_proof(criterion: Criterion, arm: Arm, observation: Observation, plan: Plan) -> Verdict:
    """One criterion by its test."""
    tests = judged_on(plan)
    proof = observation.proofs.get((describe(criterion), str(arm))) or Proof(begun(criterion, plan))
    decision = proof.test.judge(plan.alpha)
    to_fail = Reached(_shown(decision.beyond), len(tests) / plan.alpha)
    to_pass = Reached(_shown(decision.within), 1 / plan.alpha)
    is_beyond = decision.beyond >= math.log(to_fail.limit)
    is_within = decision.within >= math.log(to_pass.limit)
    is_suspect = decision.suspected >= math.log(to_fail.limit) and not is_beyond
    n = proof.counts[0].n if proof.counts else 0
    outcome = Outcome.INCONCLUSIVE
    if n and is_beyond != is_within:
        outcome = Outcome.FAIL if is_beyond else Outcome.PASS
    return Verdict(
        require=criterion.text,
        outcome=outcome,
        value=_value(criterion, arm, proof, observation, plan) if n else None,
        bound=_bound(criterion, proof, observation, plan),
        n=n,
        detail=_detail(criterion, proof, decision.discount, is_suspect=is_suspect),
        method=f"{_NAMES[type(proof.test)]} test",
        counts=proof.counts,
        to_fail=to_fail,
        to_pass=to_pass,
        arm=arm,
        is_suspect=is_suspect,
    )


def _value(
    criterion: Criterion, arm: Arm, proof: Proof, observation: Observation, plan: Plan
) -> float | None:
    """What was measured: a rate over all that the test saw, a quantile over the stage."""
    if criterion.metric is Metric.LATENCY:
        return read(criterion, observation, plan, arm).value
    return _rate(criterion, proof.counts[0]) if proof.counts else None


def _bound(criterion: Criterion, proof: Proof, observation: Observation, plan: Plan) -> float | None:
    bound = criterion.bound
    if isinstance(bound, Absolute):
        return bound.value
    if criterion.metric is Metric.LATENCY:
        stable = read(criterion, observation, plan, Arm.STABLE).value
    else:
        stable = _rate(criterion, proof.counts[1]) if proof.counts else None
    return None if stable is None else round(stable * bound.factor + bound.margin, 12)


def _rate(criterion: Criterion, count: Count) -> float | None:
    """As the metric has it: the share of the good ones, where large is good."""
    if not count.n:
        return None
    bad = (count.bad or 0) / count.n
    return round(bad if criterion.metric is Metric.ERROR_RATE else 1 - bad, 12)


def _detail(criterion: Criterion, proof: Proof, discount: float, *, is_suspect: bool) -> str:
    """What it was counted on, in one line."""
    what = _BAD[criterion.metric]
    if not any(count.n for count in proof.counts):
        missing = "outcomes were reported" if criterion.metric is Metric.ACCURACY else "calls"
        return f"no {missing}"
    parts = [
        f"{count.arm}: {count.n} calls"
        if count.bad is None
        else f"{count.arm}: {count.bad} of {count.n} {what}"
        for count in proof.counts
    ]
    if discount >= WORTH_TELLING:
        parts.append(f"{discount:.1f} calls count as one: they come in clusters")
    if is_suspect:
        parts.append("beyond the bound, unless that was a burst or few users")
    return "; ".join(parts)


def _counts(before: Sequence[Count], arm: Arm, more: Sequence[int], *, is_share: bool) -> tuple[Count, ...]:
    n, bad = more
    for count in before:
        if count.arm == arm:
            n, bad = n + count.n, bad + (count.bad or 0)
    return (Count(arm, n, bad if is_share else None),)


def _shown(log: float) -> float:
    return math.exp(min(max(log, -MOST), MOST))
