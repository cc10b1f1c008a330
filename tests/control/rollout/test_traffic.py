"""The stored service becomes the one in force."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.checks.service import check_service
from understudy.v1 import service_pb2

from control.rollout.model import Kind, Phase, Stage, State
from control.rollout.traffic import default_route, in_force, promoted, restored, stable_of, staged
from tests.support.rollouts import FRAUD, make_plan, make_service

PLAN = make_plan()
SERVICE = make_service()
MIRRORED = make_service(
    routes=[
        FRAUD["routes"][0],
        {
            "name": "predict",
            "split": {"weights": {"v1": 80, "v3": 20}},
            "mirrors": [
                {
                    "variant": "v2",
                    "percent": 1,
                    "deadline": "0.25s",
                    "maxInFlight": 7,
                    "compare": {"absolute": 0.5},
                },
                {"variant": "v3", "percent": 2},
            ],
        },
    ]
)


def stage(percent: float, mirror_percent: float = 0) -> Stage:
    return Stage("s", Kind.CANARY, percent, mirror_percent, 60, 240)


def weights(service: service_pb2.Service, route: int = 1) -> dict[str, float]:
    return dict(service.routes[route].split.weights)


def test_stable_and_candidate_divide_what_both_have() -> None:
    assert weights(staged(SERVICE, PLAN, stage(25))) == {"v1": 60, "v2": 20, "v3": 20}
    assert weights(staged(SERVICE, PLAN, stage(100))) == {"v1": 0, "v2": 80, "v3": 20}
    assert weights(staged(SERVICE, PLAN, stage(0))) == {"v1": 80, "v3": 20}


def test_a_candidate_that_has_weight_already_brings_it_into_the_pool() -> None:
    service = make_service(routes=[{"name": "predict", "split": {"weights": {"v1": 90, "v2": 10}}}])
    assert weights(staged(service, PLAN, stage(0)), 0) == {"v1": 100, "v2": 0}
    assert weights(staged(service, PLAN, stage(50)), 0) == {"v1": 50, "v2": 50}


@given(st.dictionaries(st.sampled_from(["v1", "v2", "v3"]), st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_the_sum_stays_and_nobody_else_moves(given_weights: dict[str, float], percent: float) -> None:
    service = make_service(routes=[{"name": "predict", "split": {"weights": given_weights}}])
    found = weights(staged(service, PLAN, stage(percent)), 0)
    assert all(weight >= 0 for weight in found.values())
    assert sum(found.values()) == pytest.approx(sum(given_weights.values()))
    assert found.get("v3") == given_weights.get("v3")


def test_other_routes_stay_as_they_are() -> None:
    for changed in (staged(SERVICE, PLAN, stage(25)), promoted(SERVICE, PLAN)):
        assert changed.routes[0] == SERVICE.routes[0]


def test_a_stages_mirror_is_added() -> None:
    (mirror,) = staged(SERVICE, PLAN, stage(0, 50)).routes[1].mirrors
    assert (mirror.variant, mirror.percent) == ("v2", 50)
    assert not mirror.HasField("deadline")
    assert not mirror.HasField("compare")


def test_the_routes_own_mirror_keeps_what_the_rollout_does_not_set() -> None:
    own, other = staged(MIRRORED, PLAN, stage(0, 50)).routes[1].mirrors
    assert (own.percent, own.max_in_flight, own.deadline.nanos) == (50, 7, 250_000_000)
    assert own.compare.absolute == 0.5
    assert other == MIRRORED.routes[1].mirrors[1]


def test_the_rollouts_comparison_and_deadline_win() -> None:
    plan = make_plan(compare={"relative": 0.1, "outputs": ["label"]}, mirror_deadline="2s")
    own = staged(MIRRORED, plan, stage(0, 50)).routes[1].mirrors[0]
    assert own.compare == service_pb2.Compare(relative=0.1, outputs=["label"])
    assert own.deadline.seconds == 2


def test_a_stage_without_a_mirror_removes_the_candidates() -> None:
    assert [mirror.variant for mirror in staged(MIRRORED, PLAN, stage(50)).routes[1].mirrors] == ["v3"]


def test_promoting_makes_the_candidate_stable_with_all_of_the_pool() -> None:
    after = promoted(MIRRORED, PLAN)
    assert after.stable == "v2"
    assert weights(after) == {"v1": 0, "v2": 80, "v3": 20}
    assert [mirror.variant for mirror in after.routes[1].mirrors] == ["v3"]
    assert [variant.name for variant in after.variants] == ["v1", "v2", "v3"]
    assert check_service(after) == []


def test_a_promotion_takes_along_what_was_all_stables_whatever_its_headers() -> None:
    asked = {
        "name": "old",
        "match": {"headers": [{"name": "x", "exact": "1"}]},
        "split": {"weights": {"v1": 1}},
    }
    shared = {"name": "shared", "split": {"weights": {"v1": 1, "v3": 1}}}
    rest = {
        "name": "rest",
        "split": {"weights": {"v1": 100, "v3": 0}},
        "mirrors": [{"variant": "v2", "percent": 5}],
    }
    service = make_service(routes=[*FRAUD["routes"], asked, shared, rest])
    during, after = staged(service, PLAN, stage(25)), promoted(service, PLAN)
    assert list(during.routes[2:]) == list(service.routes[2:])
    assert list(after.routes[2:4]) == list(service.routes[2:4])
    assert weights(after, 4) == {"v1": 0, "v2": 100, "v3": 0}
    assert not after.routes[4].mirrors
    assert check_service(after) == []


def test_a_fallback_that_was_chosen_stays_chosen() -> None:
    assert promoted(make_service(fallback="v1"), PLAN).fallback == "v1"
    assert promoted(SERVICE, PLAN).fallback == ""


def test_the_stored_service_is_never_touched() -> None:
    before = restored(MIRRORED)
    staged(MIRRORED, PLAN, stage(50, 10))
    promoted(MIRRORED, PLAN)
    assert before == MIRRORED


@pytest.mark.parametrize("phase", list(Phase))
def test_what_is_in_force_follows_from_where_the_rollout_stands(phase: Phase) -> None:
    found = in_force(SERVICE, PLAN, State(phase=phase, stage=1))
    match phase:
        case Phase.PROGRESSING | Phase.PAUSED:
            assert found == staged(SERVICE, PLAN, PLAN.stages[1])
        case Phase.SUCCEEDED:
            assert found == promoted(SERVICE, PLAN)
        case Phase.PENDING | Phase.ROLLED_BACK | Phase.ABORTED:
            assert found == SERVICE


def test_the_default_route_is_the_last_that_is_not_header_matched() -> None:
    assert default_route(SERVICE) == "predict"
    assert default_route(make_service(routes=FRAUD["routes"][:1])) is None
    assert default_route(make_service(routes=FRAUD["routes"][::-1])) == "predict"


def test_stable_is_the_first_variant_where_none_is_set() -> None:
    assert stable_of(SERVICE) == "v1"
    assert stable_of(make_service(stable="v3")) == "v3"
    assert stable_of(service_pb2.Service()) == ""


def test_a_route_that_is_not_there_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError, match="elsewhere"):
        staged(SERVICE, replace(PLAN, route="elsewhere"), stage(5))
