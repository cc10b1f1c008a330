"""TensorFlow Serving answers, made by protobuf from descriptors in a pool of this test's own."""

import itertools

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.answers import Answer, Undecodable
from proxy.compare.comparison import compare
from proxy.compare.tensorflow import decode
from proxy.policy.protocols import TENSORFLOW_PREDICT
from proxy.policy.table import Tolerance

FIELD = descriptor_pb2.FieldDescriptorProto
PACKED = [("float_val", 5, "FLOAT"), ("double_val", 6, "DOUBLE"), ("int_val", 7, "INT32")]
PACKED += [("int64_val", 10, "INT64"), ("bool_val", 11, "BOOL"), ("half_val", 13, "INT32")]
PACKED += [("uint32_val", 16, "UINT32"), ("uint64_val", 17, "UINT64")]
TYPES = {"float": 1, "double": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7, "int64": 9}
TYPES |= {"bool": 10, "bfloat16": 14, "uint16": 17, "half": 19, "uint32": 22, "uint64": 23}
LISTS = {"float": "float_val", "double": "double_val", "int64": "int64_val", "bool": "bool_val"}
LISTS |= dict.fromkeys(["int32", "uint8", "int16", "int8", "uint16"], "int_val")
LISTS |= {"uint32": "uint32_val", "uint64": "uint64_val"}


def _add(message, name, number, kind, label="OPTIONAL", of=None):
    field = message.field.add(name=name, number=number, label=getattr(FIELD, f"LABEL_{label}"))
    field.type = getattr(FIELD, f"TYPE_{kind}")
    if of:
        field.type_name = f".tf.{of}"


def _messages():
    file = descriptor_pb2.FileDescriptorProto(name="tf.proto", package="tf", syntax="proto3")
    dim, shape, tensor, entry, response = (
        file.message_type.add(name=name) for name in ("Dim", "Shape", "Tensor", "Entry", "Response")
    )
    _add(dim, "size", 1, "INT64")
    _add(shape, "dim", 2, "MESSAGE", "REPEATED", "Dim")
    _add(tensor, "dtype", 1, "INT32")
    _add(tensor, "tensor_shape", 2, "MESSAGE", of="Shape")
    _add(tensor, "tensor_content", 4, "BYTES")
    _add(tensor, "string_val", 8, "BYTES", "REPEATED")
    for name, number, kind in PACKED:
        _add(tensor, name, number, kind, "REPEATED")
    _add(entry, "key", 1, "STRING")
    _add(entry, "value", 2, "MESSAGE", of="Tensor")
    _add(response, "outputs", 1, "MESSAGE", "REPEATED", "Entry")  # a map is this on the wire
    _add(response, "model_spec", 2, "BYTES")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tf.{name}"))
        for name in ("Tensor", "Response")
    }


MESSAGES = _messages()


def tensor(kind: str, shape: list[int], content: bytes = b"", **lists):
    made = MESSAGES["Tensor"](dtype=TYPES[kind], tensor_content=content, **lists)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


def response(model: bytes = b"", **outputs) -> bytes:
    made = MESSAGES["Response"](model_spec=model)
    for name, value in outputs.items():
        made.outputs.add(key=name, value=value)
    return made.SerializeToString()


def listed(message: bytes) -> list:
    values = decode(message)["y"].values
    return values.tolist() if isinstance(values, np.ndarray) else [bytes(one) for one in values]


def outcome(primary: bytes, shadow: bytes, **rule) -> str:
    answers = Answer("OK", (primary,)), Answer("OK", (shadow,))
    return compare(TENSORFLOW_PREDICT, *answers, Tolerance(**rule)).outcome


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, "?" if kind == "bool" else kind) for kind in LISTS if kind not in ("float", "double")]
    + [("float", "f4"), ("double", "f8")],
)
@given(data=st.data())
def test_lists_and_content_read_alike(kind, dtype, data):
    kinds = np.dtype(dtype)
    if kinds.kind == "f":
        element = st.floats(width=32)
    elif kinds.kind == "b":
        element = st.booleans()
    else:
        element = st.integers(int(np.iinfo(kinds).min), int(np.iinfo(kinds).max))
    values = data.draw(st.lists(element, min_size=1, max_size=6))
    packed = np.array(values, kinds.newbyteorder("<"))

    from_list = response(y=tensor(kind, [len(values)], **{LISTS[kind]: values}))
    from_content = response(y=tensor(kind, [len(values)], packed.tobytes()))

    assert listed(from_list) == pytest.approx(values, nan_ok=True)
    assert outcome(from_list, from_content) == "match"


@pytest.mark.parametrize(("kind", "bits", "value"), [("half", 0x3C00, 1.0), ("bfloat16", 0x4049, 3.140625)])
def test_half_floats_stand_in_the_low_bits_of_a_list_or_two_bytes_each(kind, bits, value):
    assert listed(response(y=tensor(kind, [1], half_val=[bits]))) == [value]
    assert listed(response(y=tensor(kind, [1], bits.to_bytes(2, "little")))) == [value]


def test_the_last_value_stands_for_all_that_are_left_and_none_for_zeros():
    assert listed(response(y=tensor("float", [2, 2], float_val=[1, 2]))) == [1, 2, 2, 2]
    assert listed(response(y=tensor("int32", [3]))) == [0, 0, 0]
    whole = response(y=tensor("float", [4], float_val=[7] * 4))
    assert outcome(whole, response(y=tensor("float", [4], float_val=[7]))) == "match"


def test_the_last_string_stands_for_all_that_are_left():
    whole = response(y=tensor("string", [3], string_val=[b"a", b"b", b"b"]))
    assert outcome(whole, response(y=tensor("string", [3], string_val=[b"a", b"b"]))) == "match"
    assert outcome(whole, response(y=tensor("string", [3], string_val=[b"a"]))) == "mismatch_values"
    assert listed(response(y=tensor("string", [2]))) == [b"", b""]


def test_strings_are_compared_exactly():
    cats = response(y=tensor("string", [2], string_val=[b"cat", b"\xff"]))
    assert listed(cats) == [b"cat", b"\xff"]
    assert outcome(cats, response(y=tensor("string", [2], string_val=[b"cat", b"\xfe"]))) == "mismatch_values"


def test_the_version_that_answered_is_no_part_of_the_prediction():
    same = tensor("float", [1], float_val=[1])
    assert outcome(response(b"v1", y=same), response(b"v2", y=same)) == "match"


def test_outputs_in_any_order_and_within_the_tolerance():
    a, b = tensor("float", [1], float_val=[1.0]), tensor("float", [1], float_val=[1.001])
    assert outcome(response(x=a, y=a), response(y=b, x=b), absolute=0.01) == "match"
    assert outcome(response(x=a), response(x=b)) == "mismatch_values"
    assert outcome(response(x=a), response(y=a)) == "mismatch_missing"
    assert outcome(response(x=a), response(x=tensor("float", [1, 1], float_val=[1.0]))) == "mismatch_shape"
    assert outcome(response(x=a), response(x=tensor("double", [1], double_val=[1.0]))) == "mismatch_type"
    assert outcome(response(x=a, y=a), response(x=a, y=b), ignore_outputs=frozenset({"y"})) == "match"


def test_the_largest_value_may_be_all_that_counts():
    a = response(x=tensor("float", [2, 2], float_val=[0.1, 0.9, 0.8, 0.2]))
    b = response(x=tensor("float", [2, 2], float_val=[0.4, 0.6, 0.7, 0.3]))
    assert outcome(a, b, top_k=1) == "match"


@pytest.mark.parametrize(
    "broken",
    [
        response(y=MESSAGES["Tensor"](dtype=8)),
        response(y=tensor("string", [1], b"\3cat")),
        response(y=tensor("float", [1], b"\0\0\0")),
        response(y=tensor("float", [2**40])),
        response(y=tensor("float", [-1])),
        response(y=tensor("float", [1], float_val=[1])) + b"\x0a\x7f",
    ],
)
def test_what_is_no_prediction_is_compared_byte_for_byte(broken):
    with pytest.raises(Undecodable):
        decode(broken)
    assert outcome(broken, broken) == "match"
    assert outcome(broken, broken + b"\x1a\0") == "mismatch_bytes"


@given(st.binary(max_size=40))
def test_any_bytes_are_a_prediction_or_undecodable(message):
    try:
        prediction = decode(message)
    except Undecodable:
        return
    assert all(isinstance(name, str) for name in itertools.chain(prediction))
