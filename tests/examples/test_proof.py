"""The demo's claims must be able to fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.calls import Record, Served
from examples.demo import proof
from examples.demo.proof import Slice

STAGE = Slice("digits-v2", "canary-25", "v2", 25.0, 100.0, 200.0)


def record(user: str, variant: str, time: float = 150.0, code: str = "OK") -> Record:
    return Record(time, user, variant, code, 0.01, correct=True)


def users(total: int, candidate: int) -> list[Record]:
    return [record(f"u{i}", "v2" if i < candidate else "v1") for i in range(total)]


def test_a_single_failed_call_breaks_the_claim():
    assert proof.no_call_failed(users(10, 2)).holds
    failed = proof.no_call_failed([*users(10, 2), record("u1", "", code="UNAVAILABLE")])
    assert not failed.holds
    assert "1 UNAVAILABLE" in failed.detail


def test_no_calls_at_all_prove_nothing():
    assert not proof.no_call_failed([]).holds
    assert not proof.shares_as_asked([STAGE], []).holds
    assert not proof.users_stayed([STAGE], []).holds
    assert not proof.counts_agree([], {"v1": []}).holds
    assert not proof.none_served("v3", 0.0, []).holds
    assert not proof.copies_accounted(0, {}, 0).holds


@pytest.mark.parametrize(("candidate", "holds"), [(50, True), (26, False), (78, False), (0, False)])
def test_a_share_far_from_what_was_asked_breaks_the_claim(candidate, holds):
    assert proof.shares_as_asked([STAGE], users(200, candidate)).holds is holds


def test_calls_outside_the_slice_do_not_count():
    before = [record(f"u{i}", "v2", time=99.0) for i in range(200)]
    across = [record(f"u{i}", "v2", time=199.995) for i in range(200)]
    assert proof.share_of(STAGE, [*before, *across, *users(8, 2)]).users == 8


def test_a_user_on_two_variants_breaks_the_claim():
    assert proof.users_stayed([STAGE], users(20, 5)).holds
    assert not proof.users_stayed([STAGE], [*users(20, 5), record("u0", "v1")]).holds


def served(calls: list[Record], *, mirrored: bool = False) -> dict[str, list[Served]]:
    """What model servers have to say of these calls."""
    return {
        name: [Served(call.time, call.user, mirrored) for call in calls if call.variant == name]
        for name in ("v1", "v2", "v3")
    }


def test_a_call_that_only_one_side_counted_breaks_the_claim():
    calls = users(20, 5)
    assert proof.counts_agree(calls, served(calls)).holds
    assert not proof.counts_agree(calls, served(calls[1:])).holds
    assert not proof.counts_agree(calls[1:], served(calls)).holds


def test_equal_totals_of_different_users_break_the_claim():
    calls = [record("ann", "v1"), record("bob", "v2")]
    swapped = [record("bob", "v1"), record("ann", "v2")]
    assert not proof.counts_agree(calls, served(swapped)).holds


def test_a_copy_is_not_a_call():
    calls = users(20, 5)
    assert not proof.counts_agree(calls, served(calls, mirrored=True)).holds


def test_a_stray_call_after_the_rollback_breaks_the_claim():
    assert proof.none_served("v3", 120.0, [record("u1", "v3", time=119.0), record("u1", "v2")]).holds
    assert not proof.none_served("v3", 120.0, [record("u1", "v3", time=121.0)]).holds


def test_a_lost_copy_breaks_the_claim():
    assert proof.copies_accounted(10, {"match": 8, "dropped_bytes": 2}, 8).holds
    assert not proof.copies_accounted(10, {"match": 8}, 8).holds
    assert not proof.copies_accounted(10, {"match": 10}, 9).holds


@given(n=st.integers(1, 400), p=st.floats(0.01, 0.99))
def test_the_binomial_range_holds_the_mean_and_widens_with_confidence(n, p):
    low, high = proof.binomial_range(n, p)
    assert 0 <= low <= n * p + 1
    assert n * p - 1 <= high <= n
    inner_low, inner_high = proof.binomial_range(n, p, 0.5)
    assert low <= inner_low
    assert inner_high <= high


def test_the_binomial_range_is_exact():
    # by hand: B(10, 1/2) puts 1/1024 on 0, 11/1024 on at most 1
    assert proof.binomial_range(10, 0.5, 1 - 2 * 1 / 1024) == (1, 9)
    assert proof.binomial_range(10, 0.5, 1 - 2 * 11 / 1024) == (2, 8)
    assert proof.binomial_range(7, 0.0) == (0, 0)
    assert proof.binomial_range(7, 1.0) == (7, 7)
