import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.deadlines import code_of_cancellation, shrink, wire_exact


@pytest.mark.parametrize(
    ("remaining", "timeout", "left"),
    [
        (None, None, None),
        (3.0, None, 3.0),
        (None, 2.0, 2.0),
        (3.0, 2.0, 2.0),
        (1.0, 2.0, 1.0),
        (-1.0, 2.0, -1.0),
    ],
)
def test_the_shorter_of_the_two_is_left(remaining, timeout, left):
    assert shrink(remaining, timeout) == left


TIMES = st.none() | st.floats(-10, 1e6)


@given(TIMES, TIMES)
def test_a_deadline_only_ever_shrinks(remaining, timeout):
    left = shrink(remaining, timeout)
    assert remaining is None or (left is not None and left <= remaining)
    assert timeout is None or (left is not None and left <= timeout)


@pytest.mark.parametrize(
    ("remaining", "code"),
    [(None, "CANCELLED"), (0.001, "CANCELLED"), (0.0, "DEADLINE_EXCEEDED"), (-5.0, "DEADLINE_EXCEEDED")],
)
def test_a_cancellation_at_or_after_the_deadline_is_the_deadline_s(remaining, code):
    assert code_of_cancellation(remaining) == code


@pytest.mark.parametrize(("remaining", "code"), [(0.03, "DEADLINE_EXCEEDED"), (0.05, "CANCELLED")])
def test_a_deadline_that_was_repeated_from_a_call_before_may_be_3_percent_longer(remaining, code):
    assert code_of_cancellation(remaining, allowed=1.0) == code


@given(st.floats(0.0005, 1e7))
def test_what_is_written_is_a_little_less(timeout):
    assert 0.97 * timeout - 0.02 <= wire_exact(timeout) <= timeout
