"""Finding a field without parsing: held against protobuf's own parser, and against hostile bytes."""

import time
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.v1.prediction_pb2 import PredictRequest

from proxy.policy.protocols import USER_ID, Protocol
from proxy.policy.wire import MAX_FIELDS, Entry, find

ALL = 1 << 20
F = descriptor_pb2.FieldDescriptorProto
V2_PARAMETER, V2_ID = USER_ID[Protocol.V2]
TF_OPTIONS, TF_CLIENT = USER_ID[Protocol.TENSORFLOW]
(TORCHSERVE_INPUT,) = USER_ID[Protocol.TORCHSERVE]
(OURS,) = USER_ID[Protocol.UNDERSTUDY]


def _message(file: Any, name: str, *fields: tuple[str, int, int, str]) -> Any:
    """A message type by (name, number, type, type name); one that ends in Entry is a map's."""
    message = file.message_type.add(name=name)
    for field, number, kind, type_name in fields:
        is_map = type_name.endswith("Entry")
        label = F.LABEL_REPEATED if is_map or type_name == "*" else F.LABEL_OPTIONAL
        full = f".shapes.{type_name}" if type_name and type_name != "*" else None
        message.field.add(name=field, number=number, type=kind, label=label, type_name=full)
    return message


def _entry(message: Any, name: str, kind: int, value_type: str = "") -> None:
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
    full = f".shapes.{value_type}" if value_type else None
    entry.field.add(name="value", number=2, type=kind, label=F.LABEL_OPTIONAL, type_name=full)


def _shapes() -> dict[str, Any]:
    """Requests shaped like V2's, TensorFlow Serving's and TorchServe's, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name="shapes.proto", package="shapes", syntax="proto3")
    parameter = _message(file, "Parameter", ("flag", 1, F.TYPE_BOOL, ""), ("number", 2, F.TYPE_INT64, ""))
    parameter.field.add(name="string", number=3, type=F.TYPE_STRING, label=F.LABEL_OPTIONAL)
    v2 = _message(
        file,
        "V2",
        ("model", 1, F.TYPE_STRING, ""),
        ("id", 3, F.TYPE_STRING, ""),
        ("parameters", 4, F.TYPE_MESSAGE, "V2.ParametersEntry"),
        ("raw", 7, F.TYPE_BYTES, "*"),
        ("double", 8, F.TYPE_DOUBLE, ""),
        ("fixed", 9, F.TYPE_FIXED32, ""),
        ("number", 20, F.TYPE_INT64, ""),
    )
    _entry(v2, "ParametersEntry", F.TYPE_MESSAGE, "Parameter")
    _message(file, "Options", ("client", 1, F.TYPE_BYTES, ""), ("other", 2, F.TYPE_STRING, ""))
    _message(
        file,
        "TF",
        ("other", 2, F.TYPE_STRING, ""),
        ("client", 6, F.TYPE_BYTES, ""),
        ("options", 7, F.TYPE_MESSAGE, "Options"),
    )
    torchserve = _message(
        file,
        "TorchServe",
        ("model", 1, F.TYPE_STRING, ""),
        ("input", 3, F.TYPE_MESSAGE, "TorchServe.InputEntry"),
    )
    _entry(torchserve, "InputEntry", F.TYPE_BYTES)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    types = ("V2", "TF", "TorchServe")
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shapes.{name}")) for name in types
    }


SHAPES = _shapes()
TEXT = st.text(max_size=12)
BYTES = st.binary(max_size=12)
KEYS = st.sampled_from(["user_id", "user", "user_id2", "", "x"])


def value_of(message: bytes, path: Any, limit: int = ALL) -> bytes | None:
    found = find(message, path, limit)
    if found is None:
        return None
    assert message[: found.end].endswith(found.value)
    return found.value


@st.composite
def v2_messages(draw: st.DrawFn) -> bytes:
    message = SHAPES["V2"](
        model=draw(TEXT), id=draw(TEXT), double=draw(st.floats()), fixed=draw(st.integers(0, 9))
    )
    message.raw.extend(draw(st.lists(BYTES, max_size=3)))
    message.number = draw(st.integers(-(2**63), 2**63 - 1))
    for key in draw(st.lists(KEYS, max_size=4)):
        parameter = message.parameters[key]
        parameter.string = draw(TEXT)
        parameter.flag = draw(st.booleans())
    return bytes(message.SerializeToString())


@settings(max_examples=150)
@given(parts=st.lists(v2_messages(), min_size=1, max_size=3))
def test_v2_like_messages_even_merged_ones_read_as_a_parser_reads_them(parts):
    data = b"".join(parts)
    parsed = SHAPES["V2"].FromString(data)
    assert (value_of(data, V2_ID) or b"").decode() == parsed.id
    held = parsed.parameters["user_id"].string if "user_id" in parsed.parameters else ""
    assert (value_of(data, V2_PARAMETER) or b"").decode() == held


TF_MESSAGES = st.builds(
    lambda other, client, options, inner: SHAPES["TF"](
        other=other, client=client, options={"client": inner, "other": other} if options else None
    ).SerializeToString(),
    TEXT,
    BYTES,
    st.booleans(),
    BYTES,
)


@settings(max_examples=150)
@given(parts=st.lists(TF_MESSAGES, min_size=1, max_size=3))
def test_tensorflow_like_messages_even_merged_ones_read_as_a_parser_reads_them(parts):
    data = b"".join(parts)
    parsed = SHAPES["TF"].FromString(data)
    assert (value_of(data, TF_CLIENT) or b"") == parsed.client
    assert (value_of(data, TF_OPTIONS) or b"") == parsed.options.client


TORCHSERVE_MESSAGES = st.builds(
    lambda model, items: SHAPES["TorchServe"](model=model, input=items).SerializeToString(),
    TEXT,
    st.dictionaries(KEYS, BYTES, max_size=4),
)


@settings(max_examples=150)
@given(parts=st.lists(TORCHSERVE_MESSAGES, min_size=1, max_size=3))
def test_torchserve_like_messages_even_merged_ones_read_as_a_parser_reads_them(parts):
    data = b"".join(parts)
    parsed = SHAPES["TorchServe"].FromString(data)
    for key in ("user_id", "", "x"):
        held = parsed.input.get(key, b"")
        assert (value_of(data, (Entry(3, key.encode()),)) or b"") == held


@settings(max_examples=150)
@given(
    parts=st.lists(
        st.builds(
            lambda model, user, floats: PredictRequest(
                model_name=model,
                user_id=user,
                inputs=[{"name": "x", "floats": floats, "shape": [len(floats)]}],
            ).SerializeToString(),
            TEXT,
            TEXT,
            st.lists(st.floats(width=32), max_size=5),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_our_own_requests_even_merged_ones_read_as_a_parser_reads_them(parts):
    data = b"".join(parts)
    assert (value_of(data, OURS) or b"").decode() == PredictRequest.FromString(data).user_id


@settings(max_examples=400)
@given(data=st.binary(max_size=60))
def test_random_bytes_that_parse_read_as_the_parser_reads_them(data):
    try:
        parsed = SHAPES["TF"].FromString(data)
    except DecodeError:
        find(data, TF_OPTIONS, ALL)
        return
    if not _has_group(data):
        assert (value_of(data, TF_CLIENT) or b"") == parsed.client
        assert (value_of(data, TF_OPTIONS) or b"") == parsed.options.client


def _has_group(data: bytes) -> bool:
    """Any byte that could open or close a group, which the scanner does not walk into."""
    return any(byte & 7 in (3, 4) for byte in data)


PATHS = [path for paths in USER_ID.values() for path in paths]


@settings(max_examples=200)
@given(
    data=st.lists(
        st.sampled_from(
            [b"\x22", b"\x12", b"\x0a\x07user_id", b"\x1a", b"\x3a", b"\xff", b"\x80", b"\x00", b"\x09"]
        )
        | st.binary(max_size=4),
        max_size=30,
    ).map(b"".join),
    limit=st.integers(0, 80),
)
def test_hostile_bytes_never_raise_and_what_is_found_lies_within_the_limit(data, limit):
    for path in PATHS:
        found = find(data, path, limit)
        if found is not None:
            assert found.end <= min(limit, len(data))
            assert data[found.end - len(found.value) : found.end] == found.value


@given(data=v2_messages(), cut=st.integers(0, 400))
def test_a_message_cut_short_never_raises(data, cut):
    for path in PATHS:
        find(data[:cut], path, ALL)


def a_field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1a",
        b"\x1a\x05user",
        b"\x1a" + _varint(2**63) + b"user",
        b"\x1a" + b"\xff" * 9 + b"\x7f" + b"user",
        b"\x1a" + b"\xff" * 30,
        b"\xff" * 30,
        b"\x18\x05",
        b"\x1d\x00\x00\x00\x00",
        b"\x19" + b"\x00" * 8,
        b"\x19\x00",
        b"\x1b" + a_field(1, b"x") + b"\x1c",
        b"\x1f\x01",
        b"\x0b" + a_field(3, b"in a group"),
        b"\x0d\x00" + a_field(3, b"u"),
    ],
    ids=lambda data: data.hex()[:24] or "empty",
)
def test_what_is_no_string_field_is_not_found(data):
    assert find(data, (3,), ALL) is None


def test_the_last_one_wins_and_fields_around_it_are_stepped_over():
    around = b"\x08\x96\x01" + b"\x11" + b"\x00" * 8 + b"\x25" + b"\x00" * 4 + a_field(2, b"\x1a\x01x")
    data = around + a_field(3, b"first") + around + a_field(3, b"last") + around
    found = find(data, (3,), ALL)
    assert found is not None
    assert found.value == b"last"
    assert data[found.end :] == around


def test_an_empty_value_is_found_as_empty():
    assert value_of(a_field(3, b""), (3,)) == b""
    assert value_of(a_field(3, b"u") + a_field(3, b""), (3,)) == b""


def test_a_map_s_entry_counts_by_its_last_key_and_value_and_replaces_the_one_before():
    path = (Entry(3, b"k"),)
    key, other, value = a_field(1, b"k"), a_field(1, b"o"), a_field(2, b"v")
    assert value_of(a_field(3, key + value), path) == b"v"
    assert value_of(a_field(3, value + key), path) == b"v"
    assert value_of(a_field(3, other + key + value), path) == b"v"
    assert value_of(a_field(3, key + other + value), path) is None
    assert value_of(a_field(3, key + value + a_field(2, b"w")), path) == b"w"
    assert value_of(a_field(3, key + value) + a_field(3, other + a_field(2, b"w")), path) == b"v"
    assert value_of(a_field(3, key + value) + a_field(3, key), path) == b""
    assert value_of(a_field(3, value), (Entry(3, b""),)) == b"v"


def test_a_key_is_found_up_to_the_last_byte_of_the_limit_and_not_beyond():
    data = a_field(1, b"m" * 10) + a_field(3, b"user")
    assert value_of(data, (3,), len(data)) == b"user"
    assert value_of(data, (3,), len(data) - 1) is None
    assert value_of(data, (3,), 0) is None
    early = a_field(3, b"user") + a_field(1, b"m" * 1000)
    assert value_of(early, (3,), 6) == b"user"


def test_a_message_of_very_many_fields_has_no_key():
    many = b"\x08\x00" * (MAX_FIELDS - 1)
    assert value_of(many + a_field(3, b"u"), (3,)) == b"u"
    assert value_of(a_field(3, b"u") + many + b"\x08\x00", (3,)) is None


HOSTILE = {
    "two-byte fields": b"\x08\x00" * (ALL // 2),
    "empty entries": b"\x22\x00" * (ALL // 2),
    "entries of keys": a_field(4, b"\x0a\x00" * 60) * (ALL // 122),
    "entries that fit": a_field(4, a_field(1, b"user_id") + a_field(2, b"\x08\x00")) * (ALL // 15),
    "varints without an end": b"\x80" * ALL,
    "long varints": (b"\x08" + b"\xff" * 9 + b"\x01") * (ALL // 11),
    "options": a_field(7, b"\x08\x00" * 60) * (ALL // 122),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_mebibyte_of_hostile_bytes_takes_no_time_worth_mentioning(name):
    began = time.process_time()
    for path in PATHS:
        find(HOSTILE[name], path, ALL)
    assert time.process_time() - began < 3.0  # about 0.1 s for all six paths
