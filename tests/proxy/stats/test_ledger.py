import math
from collections import Counter

from google.protobuf import text_format
from understudy.v1.discovery_pb2 import Snapshot

from proxy.compare.answers import Comparison
from proxy.policy.table import Table, compile_snapshot
from proxy.stats.ledger import MAX_METHODS, OTHER, Ledger

TEXT = """epoch: 3 version: 17 latency_bounds { nanos: 250000000 } latency_bounds { nanos: 125000000 }
service { name: "fraud" variants { name: "v1" target: "a:1" } variants { name: "v2" target: "a:2" } }"""


def a_table(version: int = 17) -> Table:
    snapshot = text_format.Parse(TEXT, Snapshot())
    snapshot.version = version
    return compile_snapshot(snapshot)


TABLE = a_table()
LIVE, MIRRORED = ("r", "v1", False, 3, 17), ("r", "v2", True, 3, 17)


def call(ledger: Ledger, latency: float = 0.1, code: str = "OK", **more: object) -> None:
    ledger.call(TABLE, "r", "v1", "/a.B/C", code, latency, **more)


def test_a_call_is_counted_in_both_books():
    ledger = Ledger()
    call(ledger)
    call(ledger, 0.5, "INTERNAL", trace_id="t")
    arm = ledger.take_window().arms[LIVE]
    assert arm.codes == {"OK": 1, "INTERNAL": 1}
    assert (arm.latency.count, ledger.totals.latency["v1"].count) == (2, 2)
    assert ledger.totals.requests == {("v1", "/a.B/C", "OK"): 1, ("v1", "/a.B/C", "INTERNAL"): 1}
    assert repr(ledger) == "<Ledger 2 requests, 0 arms>"


def test_a_cancelled_call_has_a_code_but_no_latency():
    ledger = Ledger()
    call(ledger, 0.1, "CANCELLED", trace_id="t")
    window = ledger.take_window()
    assert window.arms[LIVE].codes == {"CANCELLED": 1}
    assert window.arms[LIVE].latency.count == 0
    assert window.arms[LIVE].slow.total() == 0
    assert window.exemplars.all() == []
    assert ledger.totals.latency == {}


def test_a_call_that_is_no_evidence_is_in_the_totals_only():
    ledger = Ledger()
    call(ledger, evidence=False)
    assert ledger.take_window().arms == {}
    assert ledger.totals.requests.total() == 1


def test_slower_than_a_bound_is_counted_exactly_and_none_is_a_count_too():
    ledger = Ledger()
    call(ledger, 0.01)
    assert ledger.take_window().arms[LIVE].slow == {0.125: 0, 0.25: 0}
    for latency in (0.125, math.nextafter(0.125, 1), 0.25, math.nextafter(0.25, 1), 7.0):
        call(ledger, latency)
    assert ledger.take_window().arms[LIVE].slow == {0.125: 4, 0.25: 2}


def test_each_configuration_has_arms_of_its_own():
    ledger = Ledger()
    call(ledger)
    ledger.call(a_table(18), "r", "v1", "/a.B/C", "OK", 0.1)
    assert set(ledger.take_window().arms) == {LIVE, (*LIVE[:4], 18)}


def test_a_fallback_is_the_intended_variant_s():
    ledger = Ledger()
    ledger.fallback(TABLE, "r", "v1")
    assert ledger.take_window().arms[LIVE].fallbacks == 1
    assert ledger.totals.fallbacks == {"v1": 1}


def test_mirrors_are_seen_end_somehow_and_answer_or_not():
    ledger = Ledger()
    for outcome in ("match", "match", "dropped_bytes"):
        ledger.mirror_seen("v2")
        ledger.mirror(TABLE, "r", "v2", outcome)
    ledger.mirror_answer(TABLE, "r", "v2", "OK", 0.2, "t")
    ledger.mirror_answer(TABLE, "r", "v2", "INTERNAL", 0.1, "u")
    window = ledger.take_window()
    arm = window.arms[MIRRORED]
    assert arm.outcomes == {"match": 2, "dropped_bytes": 1}
    assert arm.codes == {"OK": 1, "INTERNAL": 1}
    assert arm.slow == {0.125: 1, 0.25: 0}
    assert [(one.kind, one.trace_id, one.mirrored) for one in window.exemplars.all()] == [
        ("failed", "u", True),
        ("slow", "t", True),
    ]
    assert ledger.totals.mirror_seen["v2"] == ledger.totals.mirror_outcomes.total() == 3


def test_comparisons_keep_the_largest_differences_and_show_the_mismatch():
    ledger = Ledger()
    ledger.comparison(TABLE, "r", "v2", Comparison(True, "", "", 0.1, 0.7), 0.1, "a")
    ledger.comparison(TABLE, "r", "v2", Comparison(False, "x", "values differ", 0.5, 0.2), 0.1, "b")
    window = ledger.take_window()
    arm = window.arms[MIRRORED]
    assert (arm.matched, arm.mismatched, arm.max_absolute, arm.max_relative) == (1, 1, 0.5, 0.7)
    assert [(one.kind, one.trace_id) for one in window.exemplars.all()] == [("mismatch", "b")]


def test_windows_taken_one_after_the_other_add_up_to_the_totals():
    ledger, taken = Ledger(), []
    for index in range(500):
        call(ledger, index / 500, ("OK", "INTERNAL", "CANCELLED")[index % 3])
        if index % 37 == 0:
            taken.append(ledger.take_window())
    taken.append(ledger.take_window())
    codes: Counter[str] = Counter()
    for window in taken:
        codes.update(window.arms[LIVE].codes)
    assert codes == {code: count for (_, _, code), count in ledger.totals.requests.items()}
    assert ledger.take_window().arms == {}


def test_method_names_that_callers_invent_share_a_label_at_last():
    ledger = Ledger()
    for index in range(MAX_METHODS + 50):
        ledger.call(TABLE, "r", "v1", f"/x.Y/{index}", "OK", 0.1)
    ledger.call(TABLE, "r", "v1", "/x.Y/7", "OK", 0.1)
    labels = {method for _, method, _ in ledger.totals.requests}
    assert len(labels) == MAX_METHODS + 1
    assert ledger.totals.requests["v1", OTHER, "OK"] == 50
    assert ledger.totals.requests["v1", "/x.Y/7", "OK"] == 2


def test_a_traced_call_is_remembered_at_the_bucket_that_metrics_show():
    ledger = Ledger()
    for latency, trace_id in ((0.25, "a"), (0.26, "b"), (64.0, "c"), (65.0, "d"), (1e-5, "e")):
        call(ledger, latency, trace_id=trace_id)
    assert {power: one for (_, power), (_, one) in ledger.totals.traced.items()} == {
        -2: "a",
        -1: "b",
        6: "c",
        7: "d",
        -12: "e",
    }


def test_refusals_are_counted_by_reason():
    ledger = Ledger()
    ledger.refused("in_flight")
    assert ledger.totals.refused == {"in_flight": 1}
