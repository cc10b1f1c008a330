from hypothesis import given
from hypothesis import strategies as st

from proxy.config.backoff import Backoff


def test_it_doubles_to_the_most_and_begins_anew_when_it_worked():
    backoff = Backoff(first=0.5, most=3.0)
    assert [backoff.next(draw=1.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert repr(backoff) == "<Backoff after 5 failures>"
    backoff.reset()
    assert backoff.next(draw=0.0) == 0.25


@given(st.lists(st.floats(0, 1, exclude_max=True), max_size=80))
def test_every_wait_lies_in_the_upper_half_and_never_beyond_the_most(draws):
    backoff = Backoff(first=0.2, most=30.0)
    for failures, draw in enumerate(draws):
        ceiling = min(0.2 * 2**failures, 30.0)
        assert ceiling / 2 <= backoff.next(draw) <= ceiling


def test_years_without_the_control_service_overflow_nothing():
    backoff = Backoff(first=0.2, most=30.0)
    assert {backoff.next(draw=1.0) for _ in range(5000)} >= {30.0}
