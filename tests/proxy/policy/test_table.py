"""From a snapshot to a routing table, or to everything that is wrong with it."""

import dataclasses

import pytest
from google.protobuf import text_format
from understudy.v1.discovery_pb2 import Snapshot
from understudy.v1.service_pb2 import Service

from proxy.policy.matching import first_fit
from proxy.policy.table import Rejected, Tolerance, Variant, compile_snapshot, static_snapshot

TEXT = """
epoch: 3 version: 17 rollout: "fraud-v2"
latency_bounds { nanos: 250000000 } latency_bounds { nanos: 200000000 } latency_bounds { nanos: 250000000 }
service {
  name: "fraud" stable: "v1" fallback: "v2"
  variants { name: "v1" target: "127.0.0.1:8001" version: "1.0.0" authority: "models.example" }
  variants { name: "v2" target: "unix:///run/v2.sock" }
  routes {
    name: "testers"
    match {
      methods: "/a.B/C" methods: "/x.*"
      headers { name: "X-Canary" exact: "a.b" } headers { name: "x-tier" prefix: "gold." }
      headers { name: "x-n" regex: "[0-9]+" } headers { name: "x-none" present: false }
    }
    split { weights { key: "v1" value: 1 } weights { key: "v2" value: 3 }
            sticky { metadata: "X-Session" payload: true salt: "s" max_bytes: 10 } }
    mirrors { variant: "v2" percent: 50 deadline { nanos: 250000000 } max_in_flight: 7 max_bytes: 8
              compare { absolute: 0.5 relative: 0.25 outputs: "label" } }
    timeout { seconds: 2 }
  }
  routes { name: "rest" split { weights { key: "v1" value: 1 } } mirrors { variant: "v2" percent: 1 }
  }
}
"""


def a_snapshot() -> Snapshot:
    return text_format.Parse(TEXT, Snapshot())


def test_everything_that_is_written_stands_in_the_table():
    table = compile_snapshot(a_snapshot())
    assert (table.service, table.at) == ("fraud", (3, 17))
    assert table.variants["v1"] == Variant("v1", "dns:///127.0.0.1:8001", "1.0.0", "models.example")
    assert table.variants["v2"].target == "unix:/run/v2.sock"
    assert (table.stable.name, table.fallback.name) == ("v1", "v2")
    assert table.latency_bounds == (0.2, 0.25)
    testers = table.routes[0]
    assert testers.timeout == 2.0
    assert (testers.sticky.metadata, testers.sticky.payload, testers.sticky.max_bytes) == (
        ("x-session",),
        True,
        10,
    )
    (mirror,) = testers.mirrors
    assert (mirror.variant.name, mirror.share, mirror.deadline) == ("v2", 0.5, 0.25)
    assert (mirror.max_in_flight, mirror.max_bytes) == (7, 8)
    assert mirror.tolerance == Tolerance(0.5, 0.25, frozenset({"label"}))


def test_what_is_not_written_has_its_default():
    table = compile_snapshot(a_snapshot())
    rest = table.routes[1]
    assert rest.timeout is None
    assert (rest.sticky.metadata, rest.sticky.payload) == (("x-user-id",), False)
    (mirror,) = rest.mirrors
    assert (mirror.deadline, mirror.max_in_flight, mirror.max_bytes) == (1.0, 64, 64 * 1024 * 1024)
    assert mirror.tolerance == Tolerance()
    bare = Service(name="a", variants=[{"name": "v1", "target": "a:1"}, {"name": "v2", "target": "a:2"}])
    table = compile_snapshot(static_snapshot(bare))
    assert (table.stable.name, table.fallback.name, table.at) == ("v1", "v1", (0, 0))
    bare.stable = "v2"
    assert compile_snapshot(static_snapshot(bare)).fallback.name == "v2"


GOOD = [("x-canary", "a.b"), ("x-tier", "gold.1\n"), ("x-n", "42")]


@pytest.mark.parametrize(
    ("method", "metadata", "route"),
    [
        ("/a.B/C", GOOD, "testers"),
        ("/x.Y/Z", GOOD, "testers"),
        ("/a.B/D", GOOD, "rest"),
        ("/a.B/C", GOOD[1:], "rest"),
        ("/a.B/C", [("x-canary", "axb"), *GOOD[1:]], "rest"),
        ("/a.B/C", [*GOOD[:1], ("x-tier", "golden"), *GOOD[2:]], "rest"),
        ("/a.B/C", [*GOOD[:2], ("x-n", "4a")], "rest"),
        ("/a.B/C", [*GOOD[:2], ("x-n", "a"), ("x-n", "4")], "testers"),
        ("/a.B/C", [*GOOD, ("x-none", "")], "rest"),
    ],
)
def test_every_kind_of_header_test_is_compiled(method, metadata, route):
    table = compile_snapshot(a_snapshot())
    assert first_fit(table.routes, table.rest, method, metadata).name == route


def test_a_call_that_fits_no_route_goes_to_the_fallback():
    snapshot = a_snapshot()
    del snapshot.service.routes[1]
    table = compile_snapshot(snapshot)
    route = first_fit(table.routes, table.rest, "/other/M", [])
    assert route is table.rest
    assert route.split.by_key(b"x").name == route.split.by_draw(0.5).name == "v2"
    assert route.mirrors == ()


def test_the_salt_is_the_route_s_else_the_service_s_and_the_rollout_s():
    snapshot = a_snapshot()
    weights = {"v1": 1.0, "v2": 1.0}
    for route, salt in zip(snapshot.service.routes, ("s", ""), strict=True):
        route.split.weights.update(weights)
        route.split.sticky.salt = salt
    prefixes = [route.split.shares[0].prefix for route in compile_snapshot(snapshot).routes]
    assert [prefix.split(b"\0")[0] for prefix in prefixes] == [b"s", b"fraud/fraud-v2"]


def test_a_mirror_of_0_percent_is_off():
    snapshot = a_snapshot()
    snapshot.service.routes[0].mirrors[0].percent = 0
    assert compile_snapshot(snapshot).routes[0].mirrors == ()


def test_a_snapshot_that_breaks_rules_is_rejected_whole_with_all_of_them():
    snapshot = a_snapshot()
    snapshot.service.stable = "v9"
    snapshot.service.routes[1].split.weights["v1"] = float("nan")
    snapshot.latency_bounds.add()
    with pytest.raises(Rejected) as caught:
        compile_snapshot(snapshot)
    assert [one.field for one in caught.value.violations] == [
        "service.stable",
        "service.routes[1].split.weights.v1",
        "latency_bounds[3]",
    ]
    assert str(caught.value).endswith("; latency_bounds[3]: must be longer than 0s")


def test_a_table_cannot_be_changed():
    table = compile_snapshot(a_snapshot())
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.epoch = 4  # type: ignore[misc]  # that is the point
