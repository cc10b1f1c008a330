"""What sidecars get."""

from control.rollout.snapshots import build_snapshot, latency_bounds
from tests.support.rollouts import make_plan, make_service


def test_a_snapshot_carries_the_service_its_number_and_the_bounds() -> None:
    found = build_snapshot(
        make_service(), epoch=3, version=7, rollout="fraud-v2-1", bounds=(0.2, 1.5), built_at=1000.25
    )
    assert (found.epoch, found.version, found.rollout) == (3, 7, "fraud-v2-1")
    assert found.service == make_service()
    assert [bound.ToMilliseconds() for bound in found.latency_bounds] == [200, 1500]
    assert found.built_at.ToMilliseconds() == 1_000_250


def test_bounds_are_those_of_every_stage_once_in_order() -> None:
    plan = make_plan(
        {"percent": 5, "bake": "1s", "require": ["latency_p99 < 250ms", "latency_p50 < 100ms"]},
        {"percent": 9, "bake": "1s", "require": ["latency_p95 < 100ms", "latency_p99 <= stable * 2"]},
        {"percent": 100, "bake": "1s", "require": ["error_rate < 1%"]},
    )
    assert latency_bounds(plan) == (0.1, 0.25)
