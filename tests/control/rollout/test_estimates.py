"""What proofs will take, before there is any evidence."""

from typing import Any

import pytest

from control.rollout.estimates import estimates, imagined, is_provable
from tests.support.rollouts import make_rollout, progressive

CANARY = {"initial_percent": 10, "increment_percent": 40, "max_percent": 50}


def one(sentence: str, errors: float | None = None, per_second: float = 0.0, **fields: Any) -> Any:
    rollout = make_rollout(canary=CANARY | {"require": [sentence]} | fields)
    (found,) = estimates(imagined(rollout), errors, per_second)
    return found


def test_a_proof_costs_the_more_the_closer_the_bound_and_the_rarer_the_event() -> None:
    near, far = one("error_rate <= stable * 1.5"), one("error_rate <= stable * 3")
    assert near.calls > 2 * far.calls
    assert one("error_rate <= stable * 2", 0.001).calls > one("error_rate <= stable * 2", 0.01).calls
    assert (near.arm, near.stage) == ("candidate", "canary-50")


def test_the_time_is_at_the_present_rate_of_calls() -> None:
    found = one("error_rate <= stable * 2", per_second=5.0)
    assert found.at_present_rate.ToTimedelta().total_seconds() == pytest.approx(found.calls / 5, rel=0.01)
    assert not one("error_rate <= stable * 2").HasField("at_present_rate")


@pytest.mark.parametrize("sentence", ["error_rate <= stable", "latency_p99 <= stable", "error_rate <= 0.1%"])
def test_a_bound_without_room_is_never_proven(sentence: str) -> None:
    found = one(sentence)
    assert not is_provable(found)
    assert not found.HasField("calls")
    assert "leave it room" in found.note


@pytest.mark.parametrize(
    "sentence", ["error_rate <= stable + 0.5%", "latency_p99 < 200ms", "accuracy > 0.93", "error_rate <= 1%"]
)
def test_a_bound_with_room_is(sentence: str) -> None:
    assert is_provable(one(sentence))
    assert one(sentence).calls > 100


def test_two_quantiles_depend_on_more_than_rates() -> None:
    found = one("latency_p99 <= stable * 1.2")
    assert is_provable(found)
    assert not found.HasField("calls")


def test_measured_values_need_no_proof() -> None:
    assert estimates(imagined(progressive())) == []
