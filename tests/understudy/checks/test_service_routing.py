"""The rules of model names and of sticky places, as they stand in a service."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from understudy.checks.service import check_service
from understudy.v1 import service_pb2


def problems(**fields: Any) -> list[str]:
    route = {"name": "r", "split": {"weights": {"v": 1}, **fields.pop("split", {})}, **fields}
    service = {"name": "a", "variants": [{"name": "v", "target": "a:1"}], "routes": [route]}
    return [str(one) for one in check_service(ParseDict(service, service_pb2.Service()))]


@pytest.mark.parametrize("model", ["iris", "iris-*", "Fraud Model", "团队/模型", "a.b:c"])
def test_a_model_name_or_prefix(model: str) -> None:
    assert problems(match={"models": [model]}) == []


@pytest.mark.parametrize("model", ["", "*", "a*b", "**", "a\n"])
def test_what_is_no_model_name(model: str) -> None:
    (problem,) = problems(match={"models": ["fine", model]})

    assert problem.startswith("routes[0].match.models[1]: must be a model name, or a prefix of one")


def test_sticky_places_are_held_against_their_grammar() -> None:
    sticky = {"payload_fields": ["7.1", '4["user_id"].3', "user.id", "7.1"]}

    found = problems(split={"sticky": sticky})

    assert len(found) == 2
    assert found[0].startswith("routes[0].split.sticky.payload_fields[2]: must be field numbers")
    assert found[1].startswith("routes[0].split.sticky.payload_fields[3]: '7.1' is there already")
