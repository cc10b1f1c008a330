import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1.prediction_pb2 import PredictRequest

from proxy.policy.protocols import TORCHSERVE_PREDICTIONS, UNDERSTUDY_PREDICT, V2_MODEL_INFER
from proxy.policy.sticky import Sticky

STICKY = Sticky(("x-user-id", "x-session-id"), payload=True)


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ([("x-user-id", "u")], b"u"),
        ([("x-session-id", "s"), ("x-user-id", "u")], b"u"),
        ([("x-session-id", "s")], b"s"),
        ([("x-user-id", ""), ("x-session-id", "s")], b"s"),
        ([("x-user-id", ""), ("x-user-id", "u2"), ("x-user-id", "u3")], b"u2"),
        ([("x-user-id", "zoë")], "zoë".encode()),
        ([("x-user-id", b"raw"), ("other", "x")], None),
        ([("x-user-id", "")], None),
        ([], None),
    ],
)
def test_the_first_source_that_is_not_empty_wins(metadata, key):
    assert STICKY.from_metadata(metadata) == key


def test_without_keys_nothing_is_found():
    assert Sticky().from_metadata([("x-user-id", "u")]) is None
    assert Sticky().from_payload(UNDERSTUDY_PREDICT, PredictRequest(user_id="u").SerializeToString()) is None


def test_the_payload_is_read_only_where_asked_for_and_only_of_known_methods():
    assert STICKY.reads_payload(UNDERSTUDY_PREDICT)
    assert not STICKY.reads_payload("/a.B/C")
    assert not Sticky(("x-user-id",)).reads_payload(UNDERSTUDY_PREDICT)


def test_our_own_user_id():
    message = PredictRequest(model_name="m", user_id="zoë", request_id="r").SerializeToString()
    assert STICKY.from_payload(UNDERSTUDY_PREDICT, message) == "zoë".encode()
    assert STICKY.from_payload(UNDERSTUDY_PREDICT, PredictRequest(request_id="r").SerializeToString()) is None
    assert STICKY.from_payload("/a.B/C", message) is None


def a_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def test_v2_takes_the_parameter_before_the_id():
    parameter = a_field(4, a_field(1, b"user_id") + a_field(2, a_field(3, b"u")))
    other = a_field(4, a_field(1, b"user") + a_field(2, a_field(3, b"x")))
    identity = a_field(3, b"request-1")
    assert STICKY.from_payload(V2_MODEL_INFER, identity + parameter + other) == b"u"
    assert STICKY.from_payload(V2_MODEL_INFER, identity + other) == b"request-1"
    empty = a_field(4, a_field(1, b"user_id") + a_field(2, a_field(3, b"")))
    assert STICKY.from_payload(V2_MODEL_INFER, identity + empty) == b"request-1"


def test_torchserve_s_input():
    assert (
        STICKY.from_payload(TORCHSERVE_PREDICTIONS, a_field(3, a_field(1, b"user_id") + a_field(2, b"u")))
        == b"u"
    )


def test_a_key_beyond_the_bound_is_not_found_and_that_is_known():
    short = Sticky((), payload=True, max_bytes=100)
    late = PredictRequest(model_name="m" * 200, user_id="u").SerializeToString()
    early = PredictRequest(user_id="u").SerializeToString()
    assert short.from_payload(UNDERSTUDY_PREDICT, late) is None
    assert short.is_cut_short(UNDERSTUDY_PREDICT, late)
    assert short.from_payload(UNDERSTUDY_PREDICT, early + b"\x0a\x7f" + b"m" * 127) == b"u"
    assert not short.is_cut_short(UNDERSTUDY_PREDICT, early)
    assert not short.is_cut_short("/a.B/C", late)


@given(st.binary(max_size=200))
def test_hostile_payloads_are_no_key_or_one_that_stands_in_them(message):
    for method in (UNDERSTUDY_PREDICT, V2_MODEL_INFER, TORCHSERVE_PREDICTIONS):
        found = STICKY.from_payload(method, message)
        assert found is None or (found and found in message)
