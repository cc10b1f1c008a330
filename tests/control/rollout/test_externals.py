"""Criteria on metrics of other systems."""

import dataclasses

import pytest

from control.rollout.judgements import Outcome, Verdict
from control.rollout.model import External, Observation
from control.rollout.readings import arm_of
from control.rollout.sentences import parse_criterion
from control.rollout.verdicts import judge
from tests.support.rollouts import make_plan


def verdict(*readings: float | str, **rules: object) -> Verdict:
    """What `load <= 0.8` comes to."""
    plan = dataclasses.replace(make_plan(), external={"load": External(**rules)})  # type: ignore[arg-type]
    criterion = parse_criterion("load <= 0.8", ["load"])
    observation = Observation(readings={"load": readings} if readings else {})
    return judge(criterion, arm_of(criterion, plan.stages[1]), observation, plan)


@pytest.mark.parametrize(
    ("readings", "limit", "outcome"),
    [
        ((), 0, "inconclusive"),
        ((0.8,), 0, "pass"),
        ((0.81,), 0, "fail"),
        ((0.81,), 1, "inconclusive"),
        ((0.81, 0.5), 1, "pass"),
        ((0.81, 0.5, 0.9), 1, "fail"),
        ((0.81, 0.9, 0.5, 0.5, 0.5), 1, "fail"),
        ((0.5, "timed out"), 0, "inconclusive"),
        (("timed out", 0.5), 0, "pass"),
    ],
)
def test_more_than_are_forgiven_fail_and_the_last_answer_tells_the_rest(
    readings: tuple[float | str, ...], limit: int, outcome: str
) -> None:
    found = verdict(*readings, failure_limit=limit)
    assert found.outcome == outcome
    assert found.is_final == (outcome == "fail")


@pytest.mark.parametrize(
    ("readings", "outcome"),
    [(("gone", "gone"), "inconclusive"), (("gone", 0.9, "gone"), "fail"), (("gone", 0.5), "pass")],
)
def test_no_answer_counts_where_that_was_asked_for(readings: tuple[float | str, ...], outcome: str) -> None:
    found = verdict(*readings, failure_limit=2 if outcome != "fail" else 1, silence_fails=True)
    assert found.outcome == outcome


def test_it_says_why_there_was_no_answer() -> None:
    found = verdict(0.5, "timed out", "answered 500")
    assert found.detail == "load: 1 answers, 0 beyond the bound; 2 times no answer (last: answered 500)"
    assert (found.value, found.n) == (0.5, 1)
    assert found.outcome is Outcome.INCONCLUSIVE
