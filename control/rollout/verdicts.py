"""What the evidence says of a criterion: pass, fail, or inconclusive ("cannot tell yet").

    metric                           arm
    match_rate                       copies to the candidate
    error_rate, latencies, requests, the candidate's live calls where the stage gives it any, else its copies
      accuracy, score_mean
    stable                           stable's live calls

How a criterion is judged is the gate's: by tests (`proofs`) or by measured values (`thresholds`).
"""

from collections.abc import Sequence

from control.rollout.criteria import Criterion, describe
from control.rollout.evidence import Arm, calls, evidence_of
from control.rollout.judgements import Outcome, Verdict
from control.rollout.model import Advance, Gate, Observation, Plan, Stage
from control.rollout.proofs import judge_proof
from control.rollout.readings import arm_of
from control.rollout.thresholds import judge_value

TELLING = 3
"""Calls; that so many fail in a row by chance is no matter where calls are to fail seldom."""

STALE = 30.0
"""Seconds; a sidecar that had no call for so long says nothing of the candidate as it is now."""


def judge_all(plan: Plan, stage: Stage, observation: Observation) -> tuple[Verdict, ...]:
    """Every criterion that the stage has to answer, in its order."""
    return tuple(judge(criterion, arm, observation, plan) for criterion, arm in asked(stage))


def asked(stage: Stage) -> list[tuple[Criterion, Arm]]:
    """The stage's own criteria, then those of earlier stages that only its copies can still answer."""
    own = [(criterion, arm_of(criterion, stage)) for criterion in stage.criteria]
    known = {(describe(criterion), arm) for criterion, arm in own}
    due = [(criterion, Arm.MIRRORED) for criterion in stage.due]
    return own + [(criterion, arm) for criterion, arm in due if (describe(criterion), arm) not in known]


def judge(criterion: Criterion, arm: Arm, observation: Observation, plan: Plan) -> Verdict:
    """One criterion by the plan's gate."""
    match plan.gate:
        case Gate.SEQUENTIAL:
            return judge_proof(criterion, arm, observation, plan)
        case Gate.THRESHOLD:
            return judge_value(criterion, arm, observation, plan)


def unproven(plan: Plan, stage: Stage, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that must still be passed before the stage may end."""
    due = {criterion.text for criterion in stage.due}
    return [
        verdict
        for verdict in verdicts
        if verdict.outcome is Outcome.INCONCLUSIVE
        and (
            plan.gate is Gate.THRESHOLD
            or verdict.is_suspect
            or stage.advance is Advance.PROVEN
            or (verdict.arm == Arm.MIRRORED and verdict.require in due)
        )
    ]


def failing_arms(plan: Plan, stage: Stage, observation: Observation) -> list[str]:
    """Arms that do nothing but fail by the newest of what is known, however well they did before."""
    if plan.gate is Gate.THRESHOLD:
        return []
    failing = []
    for arm, share in ((Arm.CANDIDATE, stage.percent), (Arm.MIRRORED, stage.mirror_percent)):
        windows = [window for (of, _), window in observation.newest.items() if of == arm]
        latest = max((end for end, _, _ in windows), default=0.0) - STALE
        count = sum(count for end, count, _ in windows if end >= latest)
        failed = sum(failed for end, _, failed in windows if end >= latest)
        if share > 0 and count == failed >= TELLING:
            failing.append(f"{arm} failed in all of the newest {count} calls")
    return failing


def short_arms(plan: Plan, stage: Stage, observation: Observation) -> tuple[str, ...]:
    """Arms without enough calls, each with its count: those the stage feeds or its criteria name.

    A stage without a criterion needs them too: no data never advances. A test has what earlier stages showed,
    so that min_calls are those of the whole rollout; but in no stage is none enough.
    """
    arms = [Arm.CANDIDATE] if stage.percent > 0 else []
    if stage.mirror_percent > 0:
        arms.append(Arm.MIRRORED)
    if any(criterion.is_relative for criterion in stage.criteria):
        arms.append(Arm.STABLE)
    short = []
    for arm in arms:
        here = calls(evidence_of(observation, arm), mirrored=arm is Arm.MIRRORED)
        count = here
        if plan.gate is Gate.SEQUENTIAL and here:
            count += observation.earlier.get(arm, 0)
        if count < plan.min_calls:
            short.append(f"{arm} has {count} of {plan.min_calls} calls")
    return tuple(short)
