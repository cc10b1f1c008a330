"""Rollouts in virtual time end as real ones would."""

import dataclasses
from typing import Any

import pytest

from control.rollout.model import Plan
from control.simulate.figures import End, Ended, figures
from control.simulate.many import FEW, run_many
from control.simulate.run import Times, compile_alone, run
from control.simulate.traffic import Traffic, seeds
from control.simulate.world import Behaviour, Crowd, World
from tests.support.rollouts import make_rollout

TIMES = Times(report_every=5.0, horizon=3600.0)


def plan(gate: str = "threshold", *, pause: bool = False, **fields: Any) -> Plan:
    rollout = make_rollout()
    rollout.ClearField("progressive")
    rollout.gate = gate
    for percent in (10, 50):
        stage = rollout.progressive.stages.add(percent=percent, pause=pause, **fields)
        stage.bake.seconds = 300
        stage.require.append("error_rate <= stable * 2")
    rollout.progressive.stages.add(percent=100)
    return compile_alone(rollout)


def world(candidate: float, rps: float = 20, crowd: Crowd | None = None) -> World:
    return World(rps, Behaviour(0.005), Behaviour(candidate), crowd=crowd)


def ends(of: Plan, imagined: World, runs: int = 10, seed: int = 1, times: Times = TIMES) -> list[End]:
    return [run(of, Traffic(of, imagined, random), times) for random in seeds(seed, runs)]


@pytest.mark.parametrize("gate", ["threshold", "sequential"])
def test_a_bad_candidate_is_rolled_back(gate: str) -> None:
    found = ends(plan(gate), world(0.2))

    assert {end.ended for end in found} == {Ended.ROLLED_BACK}
    assert all("error_rate" in end.reason for end in found)


def test_by_sequential_tests_at_once_and_by_threshold_at_the_end_of_the_bake() -> None:
    at_once = ends(plan("sequential"), world(0.2))
    later = ends(plan("threshold"), world(0.2))

    assert max(end.seconds for end in at_once) < 300
    assert min(end.seconds for end in later) >= 300


def test_what_is_proven_failed_needs_no_least_number_of_calls() -> None:
    found = ends(dataclasses.replace(plan("sequential"), min_calls=1_000_000), world(0.2))

    assert {end.ended for end in found} == {Ended.ROLLED_BACK}
    assert max(end.seconds for end in found) < 300


def test_an_equal_candidate_is_promoted_where_proof_has_time() -> None:
    found = ends(plan("sequential", max_bake={"seconds": 7200}), world(0.005, rps=50), runs=5)

    assert [end.ended for end in found].count(Ended.PROMOTED) >= 4


def test_without_calls_a_run_holds_and_says_where() -> None:
    found = ends(plan(), world(0.0, rps=1e-9), runs=2, times=Times(5.0, 600.0))

    assert {end.ended for end in found} == {Ended.HELD}
    assert {end.stage for end in found} == {"canary-10"}


def test_a_stage_that_waits_for_an_operator_gets_one() -> None:
    found = ends(plan(pause=True), world(0.0), runs=3)

    assert {end.ended for end in found} <= {Ended.PROMOTED, Ended.ROLLED_BACK}


def test_the_same_seed_gives_the_same_runs_and_another_seed_others() -> None:
    crowd = Crowd(50, skew=1.0, beta=4.0)

    first, again, other = (ends(plan(), world(0.01, crowd=crowd), seed=seed) for seed in (7, 7, 8))

    assert first == again
    assert first != other


def test_several_processes_come_to_the_same_ends_in_the_same_order() -> None:
    imagined, times = world(0.05, crowd=Crowd(50, beta=4.0)), Times(5.0, 900.0)

    alone, shared = (
        run_many(plan("sequential"), imagined, times, seed=3, runs=FEW + 5, processes=count)
        for count in (1, 2)
    )

    assert shared == alone
    assert len({end.seconds for end in alone}) > 1


def test_figures_count_every_run_once_and_time_those_that_were_decided() -> None:
    found = [End(Ended.ROLLED_BACK, 60.0 * minutes, "s") for minutes in range(1, 11)]
    found.append(End(Ended.HELD, 99999.0, "s"))

    total = figures(found)

    assert (total.runs, total.promoted, total.rolled_back, total.held) == (11, 0, 10, 1)
    assert total.mean_minutes == pytest.approx(5.5)
    assert total.p90_minutes == pytest.approx(9.0)


def test_figures_without_a_decision_have_no_times() -> None:
    total = figures([End(Ended.HELD, 1.0, "s")])

    assert total.mean_minutes is None
    assert total.p90_minutes is None
