"""The choice among addresses, and ejection: by draws and times that are given."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.balancing import (
    EJECT_AFTER,
    FIRST_EJECTION,
    HEALTHY,
    LONGEST_EJECTION,
    Health,
    choose,
    usable,
)

DRAWS = st.floats(0, 1, exclude_max=True)


@dataclass(frozen=True)
class Place:
    in_flight: int = 0
    connected: bool | None = True
    health: Health = HEALTHY
    name: str = ""


def test_nobody_is_chosen_of_none() -> None:
    assert choose([], 0.5, 0.5) is None


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8), DRAWS, DRAWS)
def test_the_busiest_is_never_chosen_while_others_are_less_busy(
    loads: list[int], first: float, second: float
) -> None:
    chosen = choose([Place(load) for load in loads], first, second)

    assert chosen is not None
    assert chosen.in_flight < max(loads) or loads.count(max(loads)) > 1 or len(loads) == 1


def test_every_pair_is_drawn_alike() -> None:
    places = [Place(load) for load in (3, 2, 1, 0)]

    seen = Counter(choose(places, one / 12, other / 12) for one in range(12) for other in range(12))

    # of the 12 ordered pairs of different places, the one with load n wins 2 x (3 - n)
    assert [seen[place] for place in places] == [0, 24, 48, 72]


def test_calls_go_to_what_stands_and_to_untried_places_only_where_nothing_does() -> None:
    standing, untried, lost = Place(), Place(connected=None), Place(connected=False)
    ejected = Place(health=Health(EJECT_AFTER, 10.0))

    assert usable([standing, untried, lost, ejected], 5.0) == [standing]
    assert usable([untried, lost, ejected], 5.0) == [untried]
    assert usable([lost, ejected], 5.0) == []
    assert usable([lost, ejected], 10.0) == [ejected]


def test_an_address_is_ejected_after_failures_in_a_row() -> None:
    health = HEALTHY
    for _ in range(EJECT_AFTER - 1):
        health = health.failed(100.0)
        assert not health.is_ejected(100.0)

    health = health.failed(100.0)

    assert health.is_ejected(100.0)
    assert health.is_ejected(100.0 + FIRST_EJECTION - 0.001)
    assert not health.is_ejected(100.0 + FIRST_EJECTION)


def test_each_failure_after_an_ejection_doubles_the_next_up_to_a_bound() -> None:
    health, now, lengths = HEALTHY, 0.0, []
    for _ in range(EJECT_AFTER - 1):
        health = health.failed(now)
    for _ in range(8):
        health = health.failed(now)
        lengths.append(health.ejected_until - now)
        now = health.ejected_until

    assert lengths == pytest.approx([1, 2, 4, 8, 16, LONGEST_EJECTION, LONGEST_EJECTION, LONGEST_EJECTION])


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=60))
def test_no_history_ejects_for_longer_than_the_bound_or_without_enough_failures(
    history: list[tuple[bool, float]],
) -> None:
    health, now, in_a_row = HEALTHY, 0.0, 0
    for failed, passed in history:
        now += passed
        if failed:
            health, in_a_row = health.failed(now), in_a_row + 1
        else:
            health, in_a_row = HEALTHY, 0
        assert not health.is_ejected(now) or in_a_row >= EJECT_AFTER
        assert health.ejected_until <= now + LONGEST_EJECTION


def test_a_call_from_before_the_ejection_does_not_prolong_it() -> None:
    ejected = Health(EJECT_AFTER, 10.0)

    assert ejected.failed(9.0) == ejected
