"""Imagined calls come out as they were asked for."""

from collections.abc import Sequence

import numpy as np
import pytest
from understudy.v1 import telemetry_pb2

from control.rollout.model import Plan
from control.simulate.run import compile_alone
from control.simulate.traffic import Traffic, Users
from control.simulate.world import Behaviour, Crowd, World
from tests.support.rollouts import make_rollout

WORLD = World(rps=50, stable=Behaviour(0.02), candidate=Behaviour(0.1, latency=0.1), match_rate=0.9)


def plan(*require: str) -> Plan:
    rollout = make_rollout()
    rollout.ClearField("progressive")
    rollout.gate = "threshold"
    stage = rollout.progressive.stages.add(percent=30, mirror_percent=50, require=require)
    stage.bake.seconds = 60
    rollout.progressive.stages.add(percent=100)
    return compile_alone(rollout)


def collected(traffic: Traffic, of: Plan, windows: int = 200) -> list[telemetry_pb2.Evidence]:
    return [row for _ in range(windows) for row in traffic.window(of.stages[0], 5.0, 1)]


def calls(rows: Sequence[telemetry_pb2.Evidence], variant: str) -> tuple[int, int]:
    """All live calls to a variant, and those that failed."""
    mine = [row for row in rows if row.variant == variant and not row.mirrored]
    total = sum(sum(row.codes.values()) for row in mine)
    return total, total - sum(row.codes["OK"] for row in mine)


def test_shares_and_rates_are_those_asked_for() -> None:
    made = plan("error_rate <= stable * 2")

    rows = collected(Traffic(made, WORLD, np.random.default_rng(1)), made)

    stable, stable_failed = calls(rows, made.stable)
    candidate, candidate_failed = calls(rows, made.candidate)
    assert stable + candidate == pytest.approx(50_000, rel=0.03)
    assert candidate / (stable + candidate) == pytest.approx(0.3, rel=0.03)
    assert stable_failed / stable == pytest.approx(0.02, rel=0.2)
    assert candidate_failed / candidate == pytest.approx(0.1, rel=0.1)


def test_copies_are_those_of_the_stable_version_and_match_as_often_as_asked() -> None:
    made = plan("match_rate >= 80%")

    rows = collected(Traffic(made, WORLD, np.random.default_rng(2)), made)

    copies = [row for row in rows if row.mirrored]
    seen = sum(sum(row.mirror_outcomes.values()) for row in copies)
    matched = sum(row.comparisons.matched for row in copies)
    compared = matched + sum(row.comparisons.mismatched for row in copies)
    assert seen / calls(rows, made.stable)[0] == pytest.approx(0.5, rel=0.03)
    assert matched / compared == pytest.approx(0.9, rel=0.02)


def test_latencies_are_counted_against_the_bounds_and_in_the_histogram() -> None:
    made = plan("latency_p50 < 100ms")

    rows = [
        row for row in collected(Traffic(made, WORLD, np.random.default_rng(3)), made) if not row.mirrored
    ]

    slow = [row for row in rows if row.variant == made.candidate]
    count = sum(row.latency.count for row in slow)
    assert count == calls(rows, made.candidate)[0]
    assert sum(row.slow[0].count for row in slow) / count == pytest.approx(0.5, rel=0.05)
    assert all(sum(row.latency.bucket_counts) == row.latency.count for row in rows)


def test_sticky_users_stay_and_their_buckets_add_up() -> None:
    made = plan("error_rate <= stable * 2")
    world = World(50, Behaviour(0.02), Behaviour(0.02), crowd=Crowd(200, skew=1.0, beta=4.0))

    rows = collected(Traffic(made, world, np.random.default_rng(4)), made, windows=50)

    buckets: dict[str, set[int]] = {made.stable: set(), made.candidate: set()}
    for row in rows:
        assert row.mirrored or sum(row.codes.values()) == sum(
            count for bucket in row.buckets for count in bucket.codes.values()
        )
        assert row.drawn == 0
        if not row.mirrored:
            buckets[row.variant] |= {bucket.bucket for bucket in row.buckets}
    assert buckets[made.candidate]
    assert buckets[made.stable]


def test_users_differ_by_beta_around_the_rate_that_was_asked_for() -> None:
    world = World(5, Behaviour(0.005), Behaviour(0.0025), crowd=Crowd(20_000, beta=4.0))

    users = Users.draw(Crowd(20_000, beta=4.0), world, np.random.default_rng(5))

    assert users.stable.mean() == pytest.approx(0.005, rel=0.2)
    assert users.candidate.mean() == pytest.approx(0.0025, rel=0.2)
    assert 0 < (users.stable > 0.1).mean() < 0.05


def test_nobody_calls_and_nothing_is_reported() -> None:
    made = plan("error_rate <= 1%")
    quiet = World(1e-9, Behaviour(0.0), Behaviour(0.0))

    assert collected(Traffic(made, quiet, np.random.default_rng(6)), made, windows=5) == []
