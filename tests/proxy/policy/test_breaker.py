"""A shadow that keeps failing is left alone, and not for ever."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker, Change


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    changes = [breaker.failed(now) for _ in range(FAILURES)]
    assert changes == [None] * (FAILURES - 1) + [Change.OPENED]
    return breaker


def test_a_shadow_that_answers_is_never_cut_off():
    breaker = Breaker()
    for _ in range(100):
        breaker.began()
        assert breaker.failed(0.0) is None
        breaker.began()
        assert breaker.succeeded() is None
    assert breaker.admits(0.0)


def test_failures_in_a_row_cut_it_off_for_a_while():
    breaker = opened(5.0)

    assert not breaker.admits(5.0 + FIRST_PAUSE - 0.01)
    assert breaker.admits(5.0 + FIRST_PAUSE)


def test_one_copy_at_a_time_tries_it():
    breaker = opened()
    breaker.began()

    assert not breaker.admits(FIRST_PAUSE + 1)

    breaker.gave_up()
    assert breaker.admits(FIRST_PAUSE + 1)


def test_an_answer_closes_it():
    breaker = opened()
    breaker.began()

    assert breaker.succeeded() is Change.CLOSED
    assert breaker.admits(0.0)


def test_every_further_pause_is_twice_as_long_up_to_a_longest():
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(8):
        now = breaker.until
        breaker.began()
        assert breaker.failed(now) is None
        pauses.append(breaker.until - now)

    assert pauses == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(1, 9)]


def test_copies_that_were_under_way_when_it_opened_do_not_prolong_it():
    breaker = opened()
    until = breaker.until
    for _ in range(50):
        assert breaker.failed(0.5) is None
    assert breaker.until == until


@given(st.lists(st.tuples(st.sampled_from(["fail", "answer", "give up"]), st.floats(0, 40)), max_size=80))
def test_it_always_lets_a_copy_through_again(history):
    breaker, now = Breaker(), 0.0
    for what, passed in history:
        now += passed
        if not breaker.admits(now):
            continue
        breaker.began()
        match what:
            case "fail":
                breaker.failed(now)
            case "answer":
                breaker.succeeded()
            case _:
                breaker.gave_up()
    assert breaker.admits(now + LONGEST_PAUSE)
