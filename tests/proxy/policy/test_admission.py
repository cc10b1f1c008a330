"""Counts of calls and copies: bounds hold, and everything is given back."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.policy.admission import CallLimits, MirrorLimits
from proxy.policy.table import Mirror, Tolerance, Variant


def a_mirror(variant: str = "v2", max_in_flight: int = 2, max_bytes: int = 100) -> Mirror:
    target = Variant(variant, "dns:///a:1", "", "")
    return Mirror(target, 1.0, 1.0, max_in_flight, max_bytes, Tolerance())


def test_calls_are_taken_on_up_to_the_limit_and_again_when_one_leaves():
    limits = CallLimits(in_flight=2, in_flight_per_variant=9)
    assert [limits.enter() for _ in range(3)] == [True, True, False]
    limits.leave()
    assert limits.enter()
    assert limits.in_flight == 2


def test_each_variant_has_room_of_its_own():
    limits = CallLimits(in_flight=9, in_flight_per_variant=1)
    assert [limits.enter_variant(name) for name in ("v1", "v1", "v2")] == [True, False, True]
    limits.leave_variant("v1")
    assert limits.enter_variant("v1")
    assert repr(limits) == "<CallLimits 0/9 {'v1': 1, 'v2': 1}>"


def test_idle_is_told_each_time_the_last_call_leaves():
    limits, told = CallLimits(9, 9), []
    limits.enter()
    limits.leave()  # nobody listens yet
    limits.on_idle = lambda: told.append(limits.in_flight)
    limits.enter(), limits.enter()
    limits.leave()
    assert told == []
    limits.leave()
    assert told == [0]


def test_a_copy_over_a_bound_is_dropped_by_the_reason_of_that_bound():
    limits = MirrorLimits(max_bytes=150)
    mirror = a_mirror()
    assert [limits.admit("r", mirror, size) for size in (60, 50)] == [None, "dropped_bytes"]
    assert limits.admit("r", mirror, 40) is None
    assert limits.admit("r", mirror, 0) == "dropped_in_flight"
    assert limits.admit("other", mirror, 60) == "dropped_bytes"  # 160 over all routes
    assert limits.admit("other", mirror, 50) is None
    assert limits.bytes_held == 150


def test_a_worker_keeps_its_part_of_what_a_mirror_may_hold():
    limits = MirrorLimits(max_bytes=1000, workers=2)
    mirror = a_mirror(max_in_flight=4, max_bytes=100)
    assert limits.admit("r", mirror, 51) == "dropped_bytes"
    assert [limits.admit("r", mirror, 25) for _ in range(3)] == [None, None, "dropped_in_flight"]
    single = a_mirror("v3", max_in_flight=1)
    assert [limits.admit("r", single, 1) for _ in range(2)] == [None, "dropped_in_flight"]


def test_exactly_the_bound_fits_and_one_byte_more_does_not():
    limits = MirrorLimits(max_bytes=1000)
    assert limits.admit("r", a_mirror(), 100) is None
    assert not limits.hold("r", a_mirror(), 1)
    assert limits.hold("r", a_mirror(), 0)


def test_what_a_copy_lets_go_of_is_room_again():
    limits, mirror = MirrorLimits(max_bytes=10), a_mirror()
    assert limits.admit("r", mirror, 4) is None
    assert limits.hold("r", mirror, 6)
    limits.let_go("r", mirror, 6)
    assert limits.hold("r", mirror, 6)
    limits.release("r", mirror, 10)
    assert limits.bytes_held == 0


def test_what_was_dropped_holds_nothing():
    limits = MirrorLimits(max_bytes=10)
    assert limits.admit("r", a_mirror(), 11) == "dropped_bytes"
    assert limits.bytes_held == 0
    assert [limits.admit("r", a_mirror(), 5) for _ in range(2)] == [None, None]
    assert limits.admit("r", a_mirror(), 0) == "dropped_in_flight"


def test_mirrors_are_counted_by_route_and_shadow():
    limits = MirrorLimits(max_bytes=1000)
    one = a_mirror("v2", max_in_flight=1)
    assert [limits.admit(route, one, 1) for route in ("a", "a", "b")] == [None, "dropped_in_flight", None]
    assert limits.admit("a", a_mirror("v3", max_in_flight=1), 1) is None


STEPS = st.lists(st.tuples(st.sampled_from("amhr"), st.integers(0, 2), st.integers(0, 80)), max_size=60)


@settings(max_examples=150)
@given(steps=STEPS)
def test_nothing_is_ever_negative_or_over_its_bound_and_all_bytes_come_back(steps):
    limits = MirrorLimits(max_bytes=150)
    mirrors = [("r", a_mirror("v2")), ("r", a_mirror("v3", 3, 60)), ("s", a_mirror("v2", 1, 200))]
    under_way: list[list[int]] = []  # which mirror, bytes held
    for step, which, size in steps:
        route, mirror = mirrors[which]
        if step in "am" and limits.admit(route, mirror, size) is None:
            under_way.append([which, size])
        elif step == "h" and under_way:
            copy = under_way[size % len(under_way)]
            if limits.hold(*mirrors[copy[0]], size):
                copy[1] += size
        elif step == "r" and under_way:
            ended, held = under_way.pop(size % len(under_way))
            limits.release(*mirrors[ended], held)
        counts = Counter(which for which, _ in under_way)
        assert limits.bytes_held == sum(held for _, held in under_way) <= 150
        for index, (_, one) in enumerate(mirrors):
            assert counts[index] <= one.max_in_flight
            assert sum(held for which, held in under_way if which == index) <= one.max_bytes
    for which, held in under_way:
        limits.release(*mirrors[which], held)
    assert limits.bytes_held == 0
    assert [limits.admit(route, mirror, mirror.max_bytes % 140) for route, mirror in mirrors[:1]] == [None]


@settings(max_examples=100)
@given(steps=st.lists(st.tuples(st.booleans(), st.sampled_from(["v1", "v2"])), max_size=60))
def test_calls_that_were_let_in_can_all_leave(steps):
    limits, inside, sent = CallLimits(5, 3), 0, Counter()
    for is_entering, variant in steps:
        if is_entering:
            inside += limits.enter()
            sent[variant] += limits.enter_variant(variant)
        else:
            if inside:
                limits.leave()
                inside -= 1
            if sent[variant]:
                limits.leave_variant(variant)
                sent[variant] -= 1
        assert limits.in_flight == inside <= 5
        assert all(limits.by_variant[name] == sent[name] <= 3 for name in ("v1", "v2"))
