"""One timer for every deadline."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from proxy.engines.relay.wheel import TICK, Wheel

TIMES = st.lists(st.floats(0, 100), max_size=50)


@given(TIMES, st.floats(0, 110))
def test_what_is_due_is_due_in_order_and_never_early(times: list[float], now: float) -> None:
    wheel: Wheel[int] = Wheel()
    for item, at in enumerate(times):
        wheel.add(item, at)
    due = wheel.due(now)

    assert all(times[item] <= now for item in due)
    assert all(times[item] > now - TICK for item in range(len(times)) if item not in due)
    ticks = [times[item] // TICK for item in due]
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(ticks))
    assert wheel.due(1000.0) == [] or wheel.next is None


@given(TIMES)
def test_what_was_taken_out_is_never_due(times: list[float]) -> None:
    wheel: Wheel[int] = Wheel()
    slots = {item: wheel.add(item, at) for item, at in enumerate(times)}
    for item in range(0, len(times), 2):
        wheel.discard(item, slots[item])

    assert sorted(wheel.due(1000.0)) == list(range(1, len(times), 2))
    assert wheel.next is None
