"""A shadow that keeps failing is left alone, and not for ever."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker, Change


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    changes = [breaker.failed(breaker.began(), now) for _ in range(FAILURES)]
    assert changes == [None] * (FAILURES - 1) + [Change.OPENED]
    return breaker


def test_a_shadow_that_answers_is_never_cut_off():
    breaker = Breaker()
    for _ in range(100):
        assert breaker.failed(breaker.began(), 0.0) is None
        assert breaker.succeeded(breaker.began()) is None
    assert breaker.admits(0.0)


def test_failures_in_a_row_cut_it_off_for_a_while():
    breaker = opened(5.0)

    assert not breaker.admits(5.0 + FIRST_PAUSE - 0.01)
    assert breaker.admits(5.0 + FIRST_PAUSE)


def test_one_copy_at_a_time_tries_it():
    breaker = opened()
    turn = breaker.began()

    assert not breaker.admits(FIRST_PAUSE + 1)

    breaker.gave_up(turn)
    assert breaker.admits(FIRST_PAUSE + 1)


def test_its_answer_closes_it():
    breaker = opened()

    assert breaker.succeeded(breaker.began()) is Change.CLOSED
    assert breaker.admits(0.0)


def test_every_further_pause_is_twice_as_long_up_to_a_longest():
    breaker, pauses = opened(), []
    for _ in range(8):
        now = breaker.until
        assert breaker.failed(breaker.began(), now) is None
        pauses.append(breaker.until - now)

    assert pauses == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(1, 9)]


def test_copies_that_were_under_way_when_it_opened_change_nothing():
    breaker = Breaker()
    older = breaker.began()
    for _ in range(FAILURES):
        breaker.failed(breaker.began(), 0.0)
    for now in (0.5, FIRST_PAUSE + 0.1):
        if breaker.admits(now):
            breaker.began()
        before = (breaker.until, breaker.pause, breaker.is_trying)

        assert breaker.failed(older, now) is None
        assert breaker.succeeded(older) is None
        breaker.gave_up(older)

        assert (breaker.until, breaker.pause, breaker.is_trying) == before


STEPS = st.lists(
    st.tuples(st.sampled_from(["begin", "fail", "answer", "give up"]), st.integers(0, 9), st.floats(0, 5)),
    max_size=120,
)


@given(STEPS)
def test_overlapping_copies_never_keep_a_shadow_out_for_good(steps):
    breaker, now, under_way = Breaker(), 0.0, []
    for what, which, passed in steps:
        now += passed
        if what == "begin":
            if breaker.admits(now):
                under_way.append(breaker.began())
            continue
        if not under_way:
            continue
        turn = under_way.pop(which % len(under_way))
        match what:
            case "fail":
                breaker.failed(turn, now)
            case "answer":
                breaker.succeeded(turn)
            case _:
                breaker.gave_up(turn)
    for turn in under_way:
        breaker.gave_up(turn)
    assert breaker.admits(now + LONGEST_PAUSE)
