"""Rollouts as written become plans, or say what is wrong with them."""

from typing import Any

import pytest
from google.protobuf import json_format
from understudy.checks import Violation
from understudy.v1 import rollout_pb2, service_pb2

from control.rollout.model import DEFAULT_ERROR_CODES, Kind, Plan
from control.rollout.strategies import InvalidRollout, check_rollout, compile_rollout
from tests.support.rollouts import FRAUD, STAGES, make_rollout, make_service, progressive

GOOD = {"percent": 5, "bake": "60s"}
FULL = {"name": "full", "percent": 100}
LOAD = [{"name": "load", "webhook": {"url": "http://127.0.0.1:9/"}}]


def compiled(**fields: Any) -> Plan:
    return compile_rollout(make_rollout(**fields), make_service(), "r")


def problems(rollout: rollout_pb2.Rollout, **service: Any) -> dict[str, str]:
    return {found.field: found.description for found in check_rollout(rollout, make_service(**service))}


def staged(*stages: dict[str, Any]) -> dict[str, str]:
    return problems(progressive(*stages))


def shape(plan: Plan) -> list[tuple[str, str, float, float, float, float]]:
    return [
        (stage.name, stage.kind, stage.percent, stage.mirror_percent, stage.bake, stage.max_bake)
        for stage in plan.stages
    ]


def test_progressive_is_its_stages_as_written() -> None:
    plan = compile_rollout(progressive(), make_service(), "fraud-v2-1")
    assert shape(plan) == [
        ("shadow", "shadow", 0, 100, 60, 240),
        ("canary", "canary", 10, 0, 60, 240),
        ("full", "full", 100, 0, 0, 0),
    ]
    assert [len(stage.criteria) for stage in plan.stages] == [1, 2, 0]
    assert (plan.name, plan.strategy, plan.route) == ("fraud-v2-1", "progressive", "predict")
    assert (plan.stable, plan.candidate, plan.promotes) == ("v1", "v2", True)


def test_defaults_are_filled_in() -> None:
    plan = compiled(canary={})
    assert (plan.on_fail, plan.on_inconclusive, plan.gate) == ("rollback", "hold", "sequential")
    assert (plan.min_calls, plan.error_codes) == (50, DEFAULT_ERROR_CODES)
    assert (plan.compare, plan.mirror_deadline, plan.keep_old) == (None, None, None)


def test_what_is_set_is_taken() -> None:
    plan = compiled(
        canary={},
        route="predict",
        on_fail="pause",
        on_inconclusive="rollback",
        min_calls=7,
        error_codes=["INTERNAL"],
        compare={"absolute": 0.1, "outputs": ["label"]},
        mirror_deadline="0.3s",
    )
    assert (plan.on_fail, plan.on_inconclusive, plan.min_calls) == ("pause", "rollback", 7)
    assert (plan.error_codes, plan.mirror_deadline) == (frozenset({"INTERNAL"}), 0.3)
    assert plan.compare == service_pb2.Compare(absolute=0.1, outputs=["label"])


def test_canary_steps_up_to_all_traffic() -> None:
    plan = compiled(canary={"require": ["error_rate <= stable * 2"]})
    assert [stage.percent for stage in plan.stages] == [5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 100]
    assert {stage.bake for stage in plan.stages[:-1]} == {300}
    assert [len(stage.criteria) for stage in plan.stages] == [1] * 10 + [0]
    assert (plan.stages[0].name, plan.stages[-1].name, plan.stages[-1].bake) == ("canary-5", "full", 0)


def test_a_canary_below_all_traffic_ends_with_a_promotion() -> None:
    plan = compiled(
        canary={"initial_percent": 1, "increment_percent": 20, "max_percent": 30, "interval": "9s"}
    )
    assert [(stage.percent, stage.bake) for stage in plan.stages] == [(1, 9), (21, 9), (30, 9), (100, 0)]


def test_shadow_is_copies_only_and_promotes_nothing() -> None:
    plan = compiled(shadow={"bake": "90s", "require": ["match_rate >= 95%"]})
    assert shape(plan) == [("shadow", "shadow", 0, 100, 90, 360)]
    assert not plan.promotes


def test_blue_green_switches_at_once_or_after_a_warm_up() -> None:
    assert shape(compiled(blue_green={})) == [("full", "full", 100, 0, 0, 0)]
    plan = compiled(
        blue_green={"mirror_percent": 20, "bake": "60s", "require": ["latency_p99 < 1s"], "keep_old": "5s"}
    )
    assert shape(plan) == [("warm", "shadow", 0, 20, 60, 240), ("full", "full", 100, 0, 0, 0)]
    assert plan.keep_old == 5
    assert compiled(blue_green={}).keep_old == 3600


def test_a_progressive_that_stops_short_goes_on_to_all_traffic() -> None:
    plan = compile_rollout(progressive(GOOD), make_service(), "r")
    assert [stage.name for stage in plan.stages] == ["canary-5", "full"]


def test_stages_are_named_for_what_they_do() -> None:
    plan = compile_rollout(
        progressive({"mirror_percent": 10, "bake": "1s"}, {"percent": 2.5, "bake": "1s"}, {"percent": 100}),
        make_service(),
        "r",
    )
    assert [stage.name for stage in plan.stages] == ["shadow-10", "canary-2.5", "full"]


def test_a_stage_that_waits_for_an_operator_needs_no_bake() -> None:
    plan = compile_rollout(progressive(GOOD, {"percent": 50, "pause": True}, FULL), make_service(), "r")
    assert (plan.stages[1].pause, plan.stages[1].bake) == (True, 0)


def test_accuracy_is_understood_though_nothing_measures_it_yet() -> None:
    assert staged({**GOOD, "require": ["accuracy > 0.93"]}, FULL) == {}


def test_an_invalid_rollout_raises_all_that_is_wrong() -> None:
    with pytest.raises(InvalidRollout) as caught:
        compiled(canary={}, candidate="v9", route="q")
    assert caught.value.violations == (
        Violation("candidate", "no variant is called 'v9'; there are: v1, v2, v3"),
        Violation("route", "no route is called 'q'; there are: testers, predict"),
    )
    assert str(caught.value).startswith("candidate: no variant")


def test_without_a_service_only_the_rollout_is_judged() -> None:
    assert check_rollout(make_rollout(canary={}, candidate="v9", route="q")) == []
    assert check_rollout(make_rollout(canary={"max_percent": 101}), path="rollout") == [
        Violation("rollout.canary.max_percent", "must be from 0 to 100, got 101")
    ]


@pytest.mark.parametrize(
    ("fields", "field", "problem"),
    [
        ({}, "strategy", "must have one strategy"),
        ({"canary": {}, "service": ""}, "service", "is required"),
        ({"canary": {}, "service": "other"}, "service", "must be the service's name, 'fraud'"),
        ({"canary": {}, "candidate": ""}, "candidate", "is required"),
        ({"canary": {}, "candidate": "v1"}, "candidate", "'v1' is the service's stable variant already"),
        ({"canary": {}, "name": "Bad Name"}, "name", "must be up to 63"),
        ({"canary": {}, "on_fail": "shrug"}, "on_fail", "must be one of rollback, pause, got 'shrug'"),
        ({"canary": {}, "on_inconclusive": "x"}, "on_inconclusive", "must be one of hold, pause, rollback"),
        ({"canary": {}, "gate": "luck"}, "gate", "must be one of sequential, threshold, got 'luck'"),
        ({"canary": {}, "min_calls": 0}, "min_calls", "must be at least 1"),
        ({"canary": {}, "error_codes": ["OK"]}, "error_codes[0]", "must be a status code of failed calls"),
        ({"canary": {}, "error_codes": ["CANCELLED"]}, "error_codes[0]", "must not be CANCELLED"),
        ({"canary": {}, "error_codes": ["OOPS"]}, "error_codes[0]", "no gRPC status code is called 'OOPS'"),
        ({"canary": {}, "error_codes": ["INTERNAL"] * 2}, "error_codes[1]", "is there already"),
        ({"canary": {}, "notify": [{"url": "ftp://x"}]}, "notify[0].url", "must be an http://"),
        ({"canary": {}, "compare": {"absolute": -1}}, "compare.absolute", "must not be below 0"),
        ({"canary": {}, "mirror_deadline": "0s"}, "mirror_deadline", "must be longer than 0s"),
        ({"canary": {"initial_percent": 0}}, "canary.initial_percent", "must be above 0"),
        ({"canary": {"initial_percent": 100}}, "canary.initial_percent", "must be below 100"),
        ({"canary": {"increment_percent": -1}}, "canary.increment_percent", "must be from 0 to 100"),
        ({"canary": {"increment_percent": 0.01}}, "canary.increment_percent", "at most 100 stages"),
        (
            {"canary": {"max_percent": 4}},
            "canary.max_percent",
            "must not be below initial_percent (5)",
        ),
        ({"canary": {"interval": "0s"}}, "canary.interval", "must be longer than 0s"),
        ({"canary": {}, "alpha": 0}, "alpha", "must be above 0 and at most 50%, got 0"),
        ({"canary": {}, "alpha": 0.6}, "alpha", "must be above 0 and at most 50%, got 0.6"),
        ({"canary": {}, "alpha": 0.1, "gate": "threshold"}, "alpha", "`gate: sequential` only"),
        ({"canary": {}, "advance": "proven", "gate": "threshold"}, "advance", "`gate: sequential` only"),
        ({"canary": {}, "advance": "soon"}, "advance", "must be one of unless_failed, proven, got 'soon'"),
        ({"canary": {}, "warmup": "-1s"}, "warmup", "must not be below 0s"),
        ({"canary": {"max_bake": "0s"}}, "canary.max_bake", "must be longer than 0s"),
        ({"canary": {"max_bake": "1s"}}, "canary.max_bake", "must not be shorter than bake (300s)"),
        ({"shadow": {"bake": "9s", "max_bake": "1s"}}, "shadow.max_bake", "must not be shorter than bake"),
        ({"blue_green": {"max_bake": "1s"}}, "blue_green.bake", "is required where max_bake is set"),
        ({"canary": {"require": ["requests > 9"]}}, "canary.require[0]", "requests is a single reading"),
        ({"canary": {"require": ["latency_mean < 1s"]}}, "canary.require[0]", "it takes `gate: threshold`"),
        ({"canary": {"require": ["score_mean > 1"]}}, "canary.require[0]", "score_mean is a single reading"),
        ({"canary": {"require": ["load < 1"]}, "metrics": LOAD}, "canary.require[0]", "load is a single"),
        ({"canary": {}, "metrics": LOAD}, "metrics[0].name", "no criterion asks for load"),
        (
            {"canary": {"require": ["latency_p99 <= stable + 20ms"]}},
            "canary.require[0]",
            "needs `stable * 1.2`",
        ),
        (
            {"canary": {"require": ["accuracy >= stable * 0.9"]}},
            "canary.require[0]",
            "needs `stable - 1%`",
        ),
        ({"canary": {"require": ["speed > 3"]}}, "canary.require[0]", "column 1: expected"),
        ({"canary": {"require": ["match_rate > 0.5"]}}, "canary.require[0]", "needs mirror_percent"),
        ({"shadow": {}}, "shadow.bake", "is required"),
        ({"shadow": {"bake": "1s", "mirror_percent": 0}}, "shadow.mirror_percent", "must be above 0"),
        ({"shadow": {"bake": "1s", "mirror_percent": 101}}, "shadow.mirror_percent", "must be from 0 to 100"),
        ({"blue_green": {"mirror_percent": 5}}, "blue_green.bake", "is required where mirror_percent"),
        (
            {"blue_green": {"bake": "1s", "require": ["error_rate < 1%"]}},
            "blue_green.mirror_percent",
            "required",
        ),
        ({"blue_green": {"keep_old": "-1s"}}, "blue_green.keep_old", "must be longer than 0s"),
        ({"progressive": {}}, "progressive.stages", "must have at least one stage"),
        ({"progressive": {"stages": [FULL] * 101}}, "progressive.stages", "must be at most 100 stages"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], field: str, problem: str) -> None:
    found = problems(make_rollout(**fields))
    assert problem in found[field]


@pytest.mark.parametrize(
    ("stages", "field", "problem"),
    [
        ([{**GOOD, "bake": "0s"}, FULL], "stages[0].bake", "must be longer than 0s, got 0s"),
        ([{**GOOD, "bake": "-5s"}, FULL], "stages[0].bake", "must be longer than 0s, got -5s"),
        ([{"percent": 5}, FULL], "stages[0].bake", "is required for every stage"),
        ([{"percent": 100}, FULL], "stages[0].bake", "is required for every stage"),
        (
            [GOOD, {**FULL, "require": ["error_rate < 1%"]}],
            "stages[1].bake",
            "is required where require",
        ),
        ([GOOD, {**FULL, "max_bake": "9s"}], "stages[1].bake", "is required where max_bake is set"),
        (
            [{**GOOD, "max_bake": "59s"}, FULL],
            "stages[0].max_bake",
            "must not be shorter than bake (60s)",
        ),
        ([{**GOOD, "max_bake": "0s"}, FULL], "stages[0].max_bake", "must be longer than 0s"),
        ([{**GOOD, "percent": 101}, FULL], "stages[0].percent", "must be from 0 to 100, got 101"),
        ([{**GOOD, "percent": -1}, FULL], "stages[0].percent", "must be from 0 to 100, got -1"),
        ([{**GOOD, "percent": "NaN"}, FULL], "stages[0].percent", "must be a finite number"),
        ([{**GOOD, "mirror_percent": 200}, FULL], "stages[0].mirror_percent", "must be from 0 to 100"),
        ([{"bake": "1s"}, FULL], "stages[0].percent", "must be above 0 (or mirror_percent)"),
        (
            [{**GOOD, "percent": 50}, GOOD, FULL],
            "stages[1].percent",
            "not be below the stage before it (50)",
        ),
        ([GOOD, {**FULL, "mirror_percent": 5}], "stages[1].mirror_percent", "must be 0 at percent 100"),
        ([{"mirror_percent": 5, "bake": "1s"}], "stages[0].percent", "must be above 0 in the last stage"),
        ([GOOD, GOOD, FULL], "stages[1].name", "'canary-5' is there already, as progressive.stages[0]"),
        ([{**GOOD, "name": "A b"}, FULL], "stages[0].name", "must be up to 63"),
        (
            [GOOD, {**GOOD, "name": "x", "require": ["eh"]}],
            "stages[1].require[0]",
            "column 1: expected",
        ),
        (
            [{**GOOD, "require": ["match_rate > 90%"]}, FULL],
            "stages[0].require[0]",
            "is judged on copies",
        ),
        (
            [GOOD, {**FULL, "bake": "1s", "require": ["error_rate <= stable"]}],
            "stages[1].require[0]",
            "stable has no traffic to compare with",
        ),
        (
            [{"pause": True, "bake": "1s", "require": ["error_rate < 1%"]}, FULL],
            "stages[0].require[0]",
            "there would be no calls to judge",
        ),
    ],
)
def test_stages_that_are_refused(stages: list[dict[str, Any]], field: str, problem: str) -> None:
    assert problem in staged(*stages)[f"progressive.{field}"]


def test_a_route_with_nothing_to_divide_is_refused() -> None:
    routes = [{"name": "predict", "split": {"weights": {"v3": 1}}}]
    assert "no weight to divide" in problems(make_rollout(canary={}), routes=routes)["route"]


def test_a_service_without_a_route_of_its_own_needs_one_named() -> None:
    found = problems(make_rollout(canary={}), routes=FRAUD["routes"][:1])
    assert "is required: the service has no split route" in found["route"]
    assert problems(make_rollout(canary={}, route="testers"), routes=FRAUD["routes"][:1]) == {}


def test_a_stage_that_sidecars_would_refuse_is_refused_before_it_starts() -> None:
    mirrored_to_stable = {
        "name": "predict",
        "split": {"weights": {"v1": 50, "v2": 50}},
        "mirrors": [{"variant": "v1", "percent": 1}],
    }
    found = problems(progressive(), routes=[mirrored_to_stable])
    assert "stage 'shadow' would break the service" in found["progressive.stages[0]"]
    assert "progressive.stages[1]" not in found


def test_what_a_stored_service_breaks_already_is_not_the_rollouts_fault() -> None:
    mirror = {"variant": "v2", "percent": 10}
    testers = {**FRAUD["routes"][0], "mirrors": [mirror]}
    assert problems(progressive(), routes=[testers, FRAUD["routes"][1]]) == {}


def test_a_file_of_every_kind_keeps_the_rules() -> None:
    text = json_format.MessageToJson(progressive(*STAGES))
    assert check_rollout(json_format.Parse(text, rollout_pb2.Rollout())) == []
    assert shape(compile_rollout(progressive(*STAGES), make_service(), "r"))[2][1] is Kind.FULL
