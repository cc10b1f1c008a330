"""What it will take to prove a rollout's criteria for a candidate that is no worse than stable is now.

An estimate for people who plan. Of what nobody knows yet it supposes what it says: that stable's errors are
what they were lately (0.5 % where nothing is known), and that half of what a bound allows is used.
"""

import math
from collections.abc import Iterator

from understudy.v1 import rollout_pb2, rollouts_pb2, service_pb2

from control.rollout.criteria import Criterion, Metric, format_value
from control.rollout.evidence import Arm, to_duration
from control.rollout.model import Plan, Stage
from control.rollout.proofs import begun, judged_on
from control.rollout.readings import arm_of
from control.rollout.sequential import DifferenceTest, RateTest, RatioTest
from control.rollout.sequential.planning import calls_for_difference, calls_for_rate, calls_for_ratio
from control.rollout.strategies import compile_rollout
from control.rollout.traffic import DEFAULT_ROUTE_NAME

USUAL_ERRORS = 0.005
NEVER = "can never be proven for a candidate that is like stable: leave it room"


def imagined(rollout: rollout_pb2.Rollout) -> Plan:
    """The rollout's plan on a service made up to fit it, where the real one is not at hand."""
    stable = "stable" if rollout.candidate != "stable" else "current"
    service = service_pb2.Service(
        name=rollout.service,
        stable=stable,
        variants=[
            service_pb2.Variant(name=name, target=f"{name}:8001") for name in (stable, rollout.candidate)
        ],
        routes=[
            service_pb2.Route(
                name=rollout.route or DEFAULT_ROUTE_NAME, split=service_pb2.Split(weights={stable: 100})
            )
        ],
    )
    return compile_rollout(rollout, service, rollout.name or "rollout")


def estimates(
    plan: Plan, errors: float | None = None, per_second: float = 0.0
) -> list[rollouts_pb2.ProofEstimate]:
    """One for each test of the plan; `errors` is stable's rate lately, `per_second` the route's calls."""
    return [
        _estimate(plan, criterion, arm, stage, errors, per_second)
        for criterion, arm, stage in _last_asked(plan)
    ]


def _last_asked(plan: Plan) -> Iterator[tuple[Criterion, Arm, Stage]]:
    """Every test, with the last stage that asks for it: that is where proof is due."""
    for criterion, arm in judged_on(plan).values():
        stages = [each for each in plan.stages if criterion in each.criteria]
        yield criterion, arm, [each for each in stages if arm_of(criterion, each) is arm][-1]


def _estimate(
    plan: Plan, criterion: Criterion, arm: Arm, stage: Stage, errors: float | None, per_second: float
) -> rollouts_pb2.ProofEstimate:
    share = (stage.mirror_percent if arm is Arm.MIRRORED else stage.percent) / 100
    rate = USUAL_ERRORS if errors is None else errors
    supposed = f"supposes {format_value(Metric.ERROR_RATE, rate)} errors"
    match begun(criterion, plan):
        case RateTest(bound=bound):
            if criterion.metric is not Metric.ERROR_RATE:
                rate, supposed = bound / 2, "supposes half of what the bound allows"
            calls = calls_for_rate(bound, rate, plan.alpha) / share if rate < bound else math.inf
        case RatioTest(factor=factor):
            calls = calls_for_ratio(factor, rate, rate, share, plan.alpha) if factor > 1 else math.inf
        case DifferenceTest(margin=margin):
            calls = calls_for_difference(margin, rate, rate, share, plan.alpha) if margin > 0 else math.inf
        case _:
            calls, supposed = math.nan, "depends on how widely latencies spread"
            if criterion.is_relative and getattr(criterion.bound, "factor", 1.0) <= 1:
                calls = math.inf
    found = rollouts_pb2.ProofEstimate(require=criterion.text, arm=arm, stage=stage.name, note=supposed)
    if math.isinf(calls):
        found.note = f"{NEVER} ({supposed})"
    elif not math.isnan(calls):
        found.calls = math.ceil(calls)
        if per_second > 0:
            found.at_present_rate.CopyFrom(to_duration(round(calls / per_second, 3)))
    return found


def is_provable(estimate: rollouts_pb2.ProofEstimate) -> bool:
    """Whether a candidate that is like stable will ever pass."""
    return not estimate.note.startswith(NEVER)
