"""Routes by model name, and places of keys that a route names: what a call's first message decides."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import discovery_pb2, service_pb2
from understudy.v1.prediction_pb2 import PredictRequest

from proxy.policy.protocols import MODEL_NAME, UNDERSTUDY_PREDICT, model_of
from proxy.policy.table import Table, compile_snapshot

V2 = "/inference.GRPCInferenceService/ModelInfer"
TENSORFLOW = "/tensorflow.serving.PredictionService/Predict"
TORCHSERVE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"


def table(*routes: dict[str, Any]) -> Table:
    """A service of routes by name; each serves v1 unless it has a split of its own."""
    split = {"weights": {"v1": 1}}
    service = {
        "name": "fraud",
        "variants": [{"name": "v1", "target": "a:1"}, {"name": "v2", "target": "b:1"}],
        "routes": [{"name": f"r{index}", "split": split, **route} for index, route in enumerate(routes)],
    }
    message = ParseDict(service, service_pb2.Service())
    return compile_snapshot(discovery_pb2.Snapshot(epoch=1, version=1, service=message))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of less than 128 bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


IRIS = {
    UNDERSTUDY_PREDICT: field(1, b"iris"),
    V2: field(5, b"\x0a\x01x") + field(1, b"iris"),
    TENSORFLOW: field(1, field(1, b"iris") + field(3, b"serving_default")),
    TORCHSERVE: field(1, b"iris"),
    "/inference.GRPCInferenceService/ModelReady": field(1, b"iris"),
}


@pytest.mark.parametrize("method", IRIS)
def test_the_model_is_read_from_every_known_protocol(method: str) -> None:
    assert model_of(method, IRIS[method]) == "iris"
    assert table({"match": {"models": ["iris"]}}).route_of(method, (), IRIS[method]).name == "r0"


@pytest.mark.parametrize(
    ("models", "fits"), [(["iris"], True), (["iri*"], True), (["iri"], False), (["fraud", "i*"], True)]
)
def test_a_name_fits_whole_or_by_its_beginning(models: list[str], fits: bool) -> None:
    route = table({"match": {"models": models}}).route_of(V2, (), IRIS[V2])

    assert (route.name == "r0") is fits


@pytest.mark.parametrize("message", [None, b"", b"\xff" * 50, field(1, b"other"), b"\x08\x01", b"\x0a\x7fx"])
def test_a_message_without_the_name_fits_no_route_that_asks_for_one(message: bytes | None) -> None:
    assert table({"match": {"models": ["iris"]}}).route_of(V2, (), message).name == ""


def test_a_method_of_no_known_protocol_names_no_model() -> None:
    found = table({"match": {"models": ["iris"]}}, {})

    assert found.route_of("/a.B/C", (), IRIS[V2]).name == "r1"
    assert not found.needs_message("/a.B/C", ())


def test_the_message_is_waited_for_only_where_a_route_asks_for_it() -> None:
    found = table(
        {"match": {"headers": [{"name": "canary", "exact": "true"}]}},
        {"match": {"methods": [V2], "models": ["iris"]}},
        {
            "match": {"methods": [TENSORFLOW]},
            "split": {"weights": {"v1": 1, "v2": 1}, "sticky": {"metadata": ["x-user-id"], "payload": True}},
        },
    )

    assert found.needs_message(V2, ())
    assert not found.needs_message(V2, [("canary", "true")])
    assert found.needs_message(TENSORFLOW, ())
    assert not found.needs_message(TENSORFLOW, [("x-user-id", "ann")])
    assert not found.needs_message(TORCHSERVE, ())


@given(st.sampled_from(sorted(MODEL_NAME)), st.binary(max_size=300))
def test_no_message_is_a_surprise(method: str, message: bytes) -> None:
    table({"match": {"models": ["iris"]}}).route_of(method, (), message)


ENTRY = field(3, field(1, b"other") + field(2, b"x"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("2", field(2, b"ann")),
        ("7.1", field(7, field(1, b"ann"))),
        ('4["user_id"].3', field(4, field(1, b"user_id") + field(2, field(3, b"ann")))),
        (
            '3["user_id"]',
            field(3, field(1, b"other") + field(2, b"x")) + field(3, b"\x0a\x07user_id\x12\x03ann"),
        ),
    ],
)
def test_a_place_that_the_route_names_is_read_from_any_method(path: str, message: bytes) -> None:
    sticky = (
        table({"split": {"weights": {"v1": 1, "v2": 1}, "sticky": {"payload_fields": [path]}}})
        .routes[0]
        .sticky
    )

    assert sticky.from_payload("/a.B/C", message) == b"ann"
    assert sticky.from_metadata([("x-user-id", "bob")]) is None


def test_named_places_come_first_and_an_empty_one_gives_way() -> None:
    split = {"weights": {"v1": 1}, "sticky": {"payload_fields": ["2", "5"], "payload": True}}
    sticky = table({"split": split}).routes[0].sticky

    def key(**fields: str) -> bytes | None:
        return sticky.from_payload(UNDERSTUDY_PREDICT, PredictRequest(**fields).SerializeToString())

    assert key(model_version="a", request_id="b", user_id="c") == b"a"
    assert key(request_id="b", user_id="c") == b"b"
    assert key(user_id="c") == b"c"
    assert key(model_name="d") is None
