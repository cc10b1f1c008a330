"""What another system is asked, and what its answers say."""

import contextlib
import json
import math
from typing import Any
from urllib.parse import parse_qs

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import rollout_pb2

from control.external.asking import (
    NAMES,
    NoAnswer,
    filled,
    question_of,
    read_prometheus,
    read_webhook,
    unknown_placeholders,
)

VALUES = dict(zip(NAMES, ("r1", "fraud", "predict", "canary", "v1", "v2"), strict=True))


def metric(**fields: Any) -> rollout_pb2.ExternalMetric:
    return json_format.ParseDict({"name": "load", **fields}, rollout_pb2.ExternalMetric())


def vector(*values: str) -> bytes:
    result = [{"metric": {}, "value": [1.5, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


def test_a_query_is_posted_to_the_servers_api() -> None:
    source = {"url": "http://host:9090/prom/", "query": 'load{model="{{candidate}}"} + 1'}
    question = question_of(metric(prometheus=source), VALUES)
    assert question.url == "http://host:9090/prom/api/v1/query"
    assert parse_qs(question.body.decode()) == {"query": ['load{model="v2"} + 1']}
    assert question.content_type == "application/x-www-form-urlencoded"
    assert question.read is read_prometheus


def test_a_webhook_is_told_where_the_rollout_stands() -> None:
    question = question_of(metric(webhook={"url": "https://host/x?y=1"}), VALUES)
    assert (question.url, question.content_type) == ("https://host/x?y=1", "application/json")
    assert json.loads(question.body) == VALUES


@given(st.text(st.characters(exclude_characters="\0")))
def test_a_name_cannot_leave_its_quotes(name: str) -> None:
    query = filled('x{a="{{ service }}"}', VALUES | {"service": name})
    inside = query.removeprefix('x{a="').removesuffix('"}')
    assert inside.replace("\\\\", "").replace('\\"', "").count('"') == 0
    assert "\n" not in inside
    assert inside.replace("\\\\", "\0").replace('\\"', '"').replace("\\n", "\n").replace("\0", "\\") == name


def test_placeholders_that_are_no_names_are_found() -> None:
    assert unknown_placeholders("{{service}} {{ models }} {{}}") == ["models", ""]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (vector("0.25"), 0.25),
        (vector("1e3"), 1000.0),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"-2"]}}', -2.0),
    ],
)
def test_one_number_is_the_answer(body: bytes, value: float) -> None:
    assert read_prometheus(body) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (vector(), "finds no series"),
        (vector("1", "2"), "finds 2 series"),
        (vector("NaN"), "the value is nan"),
        (vector("+Inf"), "the value is inf"),
        (vector("x"), "not a number: 'x'"),
        (b'{"status":"error","error":"parse error"}', "Prometheus: parse error"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "gives a matrix"),
        (b'{"status":"success"}', "not an answer to a query"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{}]}}', "finds 1 series"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_anything_else_is_no_answer_and_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(NoAnswer, match=reason):
        read_prometheus(body)


@pytest.mark.parametrize(("body", "value"), [(b'{"value": 3}', 3.0), (b'{"value": -0.5, "more": 1}', -0.5)])
def test_a_webhook_answers_a_value(body: bytes, value: float) -> None:
    assert read_webhook(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"value": "3"}',
        b'{"value": true}',
        b'{"value": null}',
        b'{"value": NaN}',
        b'{"value": Infinity}',
        b'{"value": 1' + b"0" * 400 + b"}",
        b'{"value": 1' + b"0" * 5000 + b"}",
        b"3",
        b"not json",
    ],
)
def test_a_webhook_without_one_gives_no_answer(body: bytes) -> None:
    with pytest.raises(NoAnswer):
        read_webhook(body)


@given(st.binary(max_size=200))
def test_no_body_does_harm(body: bytes) -> None:
    for read in (read_prometheus, read_webhook):
        with contextlib.suppress(NoAnswer):
            assert math.isfinite(read(body))
