from hypothesis import given
from hypothesis import strategies as st

from proxy.stats.exemplars import PER_KIND, Exemplar, Exemplars


def offer(kept: Exemplars, latency: float, code: str = "OK", trace_id: str = "t") -> None:
    kept.offer("r", "v1", False, code, latency, trace_id)


def test_a_call_that_was_not_traced_cannot_be_found_and_is_not_kept():
    kept = Exemplars()
    offer(kept, 9.0, trace_id="")
    offer(kept, 9.0, "INTERNAL", trace_id="")
    kept.mismatch("r", "v2", 1.0, "")
    assert kept.all() == []
    assert repr(kept) == "<Exemplars 0>"


def test_each_kind_says_what_it_is():
    kept = Exemplars()
    offer(kept, 0.5, trace_id="a")
    kept.offer("r", "v2", True, "INTERNAL", 0.25, "b")
    kept.mismatch("r", "v2", 0.125, "c")
    assert kept.all() == [
        Exemplar("failed", "r", "v2", True, "INTERNAL", 0.25, "b"),
        Exemplar("mismatch", "r", "v2", True, "OK", 0.125, "c"),
        Exemplar("slow", "r", "v1", False, "OK", 0.5, "a"),
    ]


@given(st.lists(st.floats(0, 100), max_size=30))
def test_the_slowest_are_kept_slowest_first(latencies):
    kept = Exemplars()
    for latency in latencies:
        offer(kept, latency)
    assert [one.latency for one in kept.all()] == sorted(latencies, reverse=True)[:PER_KIND]


def test_failures_and_mismatches_are_kept_up_to_a_bound_and_leave_room_for_the_slow():
    kept = Exemplars()
    for index in range(20):
        offer(kept, 9.0 + index, "INTERNAL", f"f{index}")
        kept.mismatch("r", "v2", 1.0, f"m{index}")
    offer(kept, 0.1, trace_id="s")
    assert [one.trace_id for one in kept.all()] == [
        *(f"f{n}" for n in range(5)),
        *(f"m{n}" for n in range(5)),
        "s",
    ]
