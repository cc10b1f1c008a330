"""Where a rollout stands when a metric is read: what a reading belongs to, and what a query may name."""

from collections.abc import Mapping
from dataclasses import dataclass

from control.rollout.criteria import Metric
from control.rollout.model import Phase, Plan, State


@dataclass(frozen=True, slots=True)
class Place:
    """A stage that bakes; `names` are those of `asking.NAMES`."""

    snapshot: tuple[int, int]  # that first carried the stage
    attempt: int  # arrival number after which evidence counts
    names: Mapping[str, str]


def place_of(plan: Plan, state: State, snapshot: tuple[int, int] | None, metric: str) -> Place | None:
    """The place of a rollout's current stage, if it bakes and asks for this metric."""
    stage = plan.stages[state.stage]
    asks = any(one.metric is Metric.EXTERNAL and one.name == metric for one in stage.criteria)
    if snapshot is None or not asks or not state.acked or state.phase is not Phase.PROGRESSING:
        return None
    names = {
        "rollout": plan.name,
        "service": plan.service,
        "route": plan.route,
        "stage": stage.name,
        "stable": plan.stable,
        "candidate": plan.candidate,
    }
    return Place(snapshot, state.after, names)
