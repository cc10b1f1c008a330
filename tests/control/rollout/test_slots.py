"""Blue/green by hand."""

from typing import Any

from understudy.checks.service import check_service
from understudy.v1 import service_pb2

from control.rollout.decisions import Refused
from control.rollout.slots import deployed, retired, switched
from tests.support.rollouts import make_service

BLUE = make_service(
    variants=[{"name": "blue", "target": "blue:8001", "version": "1"}],
    routes=[
        {
            "name": "testers",
            "match": {"headers": [{"name": "canary", "present": True}]},
            "split": {"weights": {"blue": 1}},
        },
        {"name": "predict", "match": {"methods": ["/a.B/C"]}, "split": {"weights": {"blue": 100}}},
        {"name": "rest", "split": {"weights": {"blue": 5}}},
    ],
)
GREEN = service_pb2.Variant(name="green", target="green:8001", version="2")


def ok(result: service_pb2.Service | Refused) -> service_pb2.Service:
    assert isinstance(result, service_pb2.Service), result
    assert check_service(result) == []
    return result


def weights(service: service_pb2.Service) -> list[dict[str, Any]]:
    return [dict(route.split.weights) for route in service.routes]


def test_a_version_is_deployed_without_traffic() -> None:
    both = ok(deployed(BLUE, GREEN))
    assert [variant.name for variant in both.variants] == ["blue", "green"]
    assert weights(both) == weights(BLUE)
    assert len(BLUE.variants) == 1


def test_a_slot_is_warmed_by_copies_where_that_is_asked_for() -> None:
    warm = ok(deployed(BLUE, GREEN, 30))
    assert [[mirror.percent for mirror in route.mirrors] for route in warm.routes] == [[], [30], [30]]
    again = ok(deployed(warm, service_pb2.Variant(name="green", version="3"), 60))
    assert [mirror.percent for mirror in again.routes[1].mirrors] == [60]
    assert (again.variants[1].target, again.variants[1].version) == ("green:8001", "3")
    assert not ok(deployed(warm, GREEN)).routes[1].mirrors


def test_switching_moves_all_weight_of_the_active_slot_at_once() -> None:
    green = ok(switched(ok(deployed(BLUE, GREEN, 30)), "green"))
    assert green.stable == "green"
    assert weights(green) == [{"blue": 1}, {"blue": 0, "green": 100}, {"blue": 0, "green": 5}]
    assert not any(route.mirrors for route in green.routes)
    assert weights(ok(switched(green, "blue")))[1:] == [{"blue": 100, "green": 0}, {"blue": 5, "green": 0}]


def test_switching_onto_an_empty_or_the_active_slot_is_refused() -> None:
    assert switched(BLUE, "green") == Refused("slot 'green' is empty: deploy a version into it first")
    assert switched(BLUE, "blue") == Refused("blue is the active slot already")


def test_deploying_into_a_slot_with_traffic_is_refused() -> None:
    assert isinstance(deployed(BLUE, service_pb2.Variant(name="blue", version="9")), Refused)
    both = ok(deployed(BLUE, GREEN))
    both.routes[2].split.weights["green"] = 1
    assert deployed(both, GREEN) == Refused("green is not idle: it takes traffic on route 'rest'")


def test_a_new_slot_needs_a_target() -> None:
    found = deployed(BLUE, service_pb2.Variant(name="green"))
    assert found == Refused("green is not in service 'fraud' yet: a target is required")


def test_an_old_variant_leaves_when_nothing_points_to_it() -> None:
    green = ok(switched(ok(deployed(BLUE, GREEN)), "green"))
    assert retired(green, "blue") == Refused("blue takes traffic on route 'testers'")
    del green.routes[0]
    after = ok(retired(green, "blue"))
    assert [variant.name for variant in after.variants] == ["green"]
    assert weights(after) == [{"green": 100}, {"green": 5}]
    assert isinstance(retired(green, "green"), Refused)
