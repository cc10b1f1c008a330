"""Slower than a bound, counted at once and once; whose calls they are."""

import math

from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as some
from understudy.v1.discovery_pb2 import Snapshot

from proxy.policy.table import compile_snapshot
from proxy.stats.arms import Arm, Window
from proxy.stats.ledger import Ledger

TEXT = """epoch: 3 version: 17 latency_bounds { nanos: 250000000 } latency_bounds { nanos: 125000000 }
service { name: "fraud" variants { name: "v1" target: "a:1" } variants { name: "v2" target: "a:2" } }"""
TABLE = compile_snapshot(text_format.Parse(TEXT, Snapshot()))
LIVE, MIRRORED = ("r", "v1", False, 3, 17), ("r", "v2", True, 3, 17)


def end(ledger: Ledger, code: str, latency: float, **more: object) -> None:
    ledger.call(TABLE, "r", "v1", "/a.B/C", code, latency, **more)


def held(arm: Arm, bound: float) -> tuple[int, int]:
    """How many calls were slower than the bound, of how many."""
    return arm.slow[bound], arm.latency.count + arm.beside[bound]


def test_a_call_that_hangs_is_slow_while_it_hangs_and_is_not_counted_twice() -> None:
    ledger = Ledger()
    flight = ledger.depart(TABLE, "r", "v1", 100.0)
    ledger.overtake(100.125)
    assert ledger.take_window().arms == {}
    ledger.overtake(100.2)
    arm = ledger.take_window().arms[LIVE]
    assert (held(arm, 0.125), held(arm, 0.25)) == ((1, 1), (0, 0))
    ledger.overtake(100.21)
    assert ledger.take_window().arms == {}
    end(ledger, "OK", 0.3, flight=flight)
    arm = ledger.take_window().arms[LIVE]
    assert (held(arm, 0.125), held(arm, 0.25)) == ((0, 0), (1, 1))
    ledger.overtake(200.0)
    assert ledger.take_window().arms == {}


def test_a_caller_that_gives_up_had_a_slow_call_where_it_had_waited_longer() -> None:
    ledger = Ledger()
    end(ledger, "CANCELLED", 0.2)
    arm = ledger.take_window().arms[LIVE]
    assert (held(arm, 0.125), held(arm, 0.25), arm.latency.count) == ((1, 1), (0, 0), 0)


def test_a_call_that_ends_elsewhere_is_no_longer_under_way() -> None:
    ledger = Ledger()
    end(ledger, "OK", 0.3, flight=ledger.depart(TABLE, "r", "v1", 0.0), evidence=False)
    ledger.overtake(1000.0)
    assert ledger.take_window().arms == {}


def test_nothing_is_followed_where_no_bound_asks_for_it() -> None:
    snapshot = text_format.Parse(TEXT, Snapshot())
    del snapshot.latency_bounds[:]
    assert Ledger().depart(compile_snapshot(snapshot), "r", "v1", 0.0) is None


def test_copies_are_followed_too_and_noise_apart() -> None:
    ledger = Ledger()
    ledger.depart(TABLE, "r", "v2", 0.0, mirrored=True, bucket=5)
    ledger.depart(TABLE, "r", "v2", 0.0, mirrored=True, noise=True)
    ledger.overtake(1.0)
    window = ledger.take_window()
    assert window.arms[MIRRORED].slow == window.noise[MIRRORED].slow == {0.125: 1, 0.25: 1}
    assert window.arms[MIRRORED].buckets[5].slow == {0.125: 1, 0.25: 1}


def test_users_are_counted_by_bucket_and_draws_are_not() -> None:
    ledger = Ledger()
    end(ledger, "OK", 0.1)
    end(ledger, "INTERNAL", 0.2, bucket=63)
    ledger.fallback(TABLE, "r", "v1", 0)
    ledger.mirror(TABLE, "r", "v2", "mismatch", bucket=63)
    ledger.mirror_answer(TABLE, "r", "v2", "OK", 0.1, "", bucket=63)
    window = ledger.take_window()
    live, copies = window.arms[LIVE], window.arms[MIRRORED]
    assert (live.codes, live.fallbacks) == ({"OK": 1, "INTERNAL": 1}, 1)
    assert set(live.buckets) == {0, 63}
    assert (live.buckets[63].codes, live.buckets[63].slow) == ({"INTERNAL": 1}, {0.125: 1})
    assert live.buckets[0].fallbacks == 1
    assert (copies.buckets[63].outcomes, copies.buckets[63].codes) == ({"mismatch": 1}, {"OK": 1})


@given(
    latencies=some.lists(some.floats(min_value=0.0, max_value=1.0), max_size=20),
    looks=some.lists(some.floats(min_value=0.0, max_value=1.5), max_size=5),
    cancelled=some.sets(some.integers(0, 19)),
)
def test_however_often_windows_close_a_call_counts_once(
    latencies: list[float], looks: list[float], cancelled: set[int]
) -> None:
    ledger, windows = Ledger(), list[Window]()
    flights = [ledger.depart(TABLE, "r", "v1", 0.0, bucket=index) for index in range(len(latencies))]
    codes = ["CANCELLED" if index in cancelled else "OK" for index in range(len(latencies))]
    events = [(latency, index) for index, latency in enumerate(latencies)] + [(look, -1) for look in looks]
    for at, index in sorted(events):
        if index < 0:
            ledger.overtake(at)
            windows.append(ledger.take_window())
        else:
            end(ledger, codes[index], at, flight=flights[index], bucket=index)
    windows.append(ledger.take_window())
    arms = [window.arms[LIVE] for window in windows if LIVE in window.arms]
    for bound in (0.125, 0.25):
        slow = sum(latency > bound for latency in latencies)
        fast = sum(code == "OK" and at <= bound for code, at in zip(codes, latencies, strict=True))
        found = [held(arm, bound) for arm in arms]
        assert sum(bad for bad, _ in found) == slow
        assert sum(calls for _, calls in found) == slow + fast
        assert all(0 <= bad <= calls for bad, calls in found)
        buckets = [counts for arm in arms for counts in arm.buckets.values()]
        assert sum(counts.slow[bound] for counts in buckets) == slow
        assert sum(counts.beside[bound] for counts in buckets) == sum(arm.beside[bound] for arm in arms)


def test_a_bound_is_passed_only_by_what_is_slower() -> None:
    ledger = Ledger()
    flight = ledger.depart(TABLE, "r", "v1", 0.0)
    ledger.overtake(math.nextafter(0.125, 1))
    assert ledger.land(flight) == 1
