from collections import Counter

from google.protobuf import text_format
from understudy.v1.discovery_pb2 import Snapshot

from proxy.policy.table import Table, compile_snapshot
from proxy.stats import met
from proxy.stats.ledger import Ledger
from proxy.stats.met import Met

TEXT = """epoch: 3 service { name: "fraud"
variants { name: "v1" target: "a:1" } variants { name: "v2" target: "a:2" }
routes { name: "all" split { weights { key: "v1" value: 50 } weights { key: "v2" value: 50 } } }
routes { name: "one" split { weights { key: "v1" value: 1 } } } }"""


def table(version: int = 1, rollout: str = "fraud-v2-1") -> Table:
    snapshot = text_format.Parse(TEXT, Snapshot())
    snapshot.version, snapshot.rollout = version, rollout
    return compile_snapshot(snapshot)


def test_a_key_is_new_once_for_each_route_and_configuration():
    keys, first = Met(), table()
    number = keys.first(first, "all", b"ada")
    assert number is not None
    assert keys.first(first, "all", b"ada") is None
    assert keys.first(first, "rest", b"ada") == number
    assert keys.first(table(2), "all", b"ada") == number
    assert repr(keys) == "<Met 1 keys>"


def test_all_sidecars_know_a_user_by_the_same_number_and_another_rollout_does_not():
    number = Met(b"secret").first(table(), "all", b"ada")
    assert Met(b"secret").first(table(), "all", b"ada") == number
    assert Met(b"other").first(table(), "all", b"ada") != number
    assert Met(b"secret").first(table(rollout="fraud-v2-2"), "all", b"ada") != number


def test_there_is_a_bound(monkeypatch):
    monkeypatch.setattr(met, "MOST", 3)
    keys, one = Met(), table()
    assert sum(keys.first(one, "all", b"%d" % user) is not None for user in range(10)) == 3


def test_the_number_says_nothing_of_the_variant():
    keys, one = Met(), table()
    split = one.routes[0].split
    low = Counter()
    for user in range(4000):
        key = b"user-%d" % user
        number = keys.first(one, "all", key)
        assert number is not None
        if number < 2**62:
            low[split.by_key(key).name] += 1
    assert abs(low["v1"] - low["v2"]) < 4 * low.total() ** 0.5


def test_the_ledger_counts_draws_and_first_keys_by_variant():
    ledger, one = Ledger(), table()
    both = one.routes[0]
    for key in (None, None, b"ada", b"ada", b"bob"):
        ledger.assign(one, both, "v2", key)
    arm = ledger.take_window().arms["all", "v2", False, 3, 1]
    assert (arm.drawn, len(arm.keys)) == (2, 2)


def test_nothing_is_counted_without_a_rollout_or_without_a_choice():
    ledger, idle, one = Ledger(), table(rollout=""), table()
    ledger.assign(idle, idle.routes[0], "v1", None)
    ledger.assign(one, one.routes[1], "v1", b"ada")
    assert ledger.take_window().arms == {}
