"""What the evidence says of a criterion: pass, fail, or inconclusive ("cannot tell yet").

    metric                           arm
    match_rate                       copies to the candidate
    error_rate, latencies, requests, the candidate's live calls where the stage gives it any, else its copies
      accuracy, score_mean
    stable                           stable's live calls

How a criterion is judged is the gate's: by tests (`proofs`) or by measured values (`thresholds`).
"""

from collections.abc import Sequence

from control.rollout.criteria import Criterion
from control.rollout.evidence import Arm, calls, evidence_of
from control.rollout.model import Advance, Gate, Observation, Outcome, Plan, Stage, Verdict
from control.rollout.thresholds import judge_value


def judge_all(plan: Plan, stage: Stage, observation: Observation) -> tuple[Verdict, ...]:
    """Every criterion that the stage has to answer, in its order."""
    return tuple(judge(criterion, observation, stage, plan) for criterion in stage.criteria)


def judge(criterion: Criterion, observation: Observation, stage: Stage, plan: Plan) -> Verdict:
    """One criterion by the plan's gate."""
    return judge_value(criterion, observation, stage, plan)


def unproven(plan: Plan, stage: Stage, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that must still be passed before the stage may end."""
    due = {criterion.text for criterion in stage.due}
    return [
        verdict
        for verdict in verdicts
        if verdict.outcome is Outcome.INCONCLUSIVE
        and (plan.gate is Gate.THRESHOLD or stage.advance is Advance.PROVEN or verdict.require in due)
    ]


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
