"""KServe V2 answers, written here by hand as the protocol says and read back."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare.answers import Undecodable
from proxy.compare.tensors import Tensor, compare
from proxy.compare.texts import Texts
from proxy.compare.v2 import decode
from proxy.policy.table import Tolerance

CONTENTS = {"BOOL": 1, "INT8": 2, "INT16": 2, "INT32": 2, "INT64": 3, "UINT8": 4, "UINT16": 4, "UINT32": 4}
CONTENTS |= {"UINT64": 5, "FP32": 6, "FP64": 7, "BYTES": 8}
RAW = {"BOOL": "?", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q", "UINT8": "B", "UINT16": "H"}
RAW |= {"UINT32": "I", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d"}


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def typed(datatype: str, values: list, *, packed: bool = True) -> bytes:
    """InferTensorContents."""
    number = CONTENTS[datatype]
    if datatype == "BYTES":
        return b"".join(field(number, one) for one in values)
    if datatype in ("FP32", "FP64"):
        form, wire = ("<f", 5) if datatype == "FP32" else ("<d", 1)
        one_by_one = [(wire, struct.pack(form, value)) for value in values]
    else:
        one_by_one = [(0, varint(int(value))) for value in values]
    if packed:
        return field(number, b"".join(content for _, content in one_by_one)) if values else b""
    return b"".join(varint(number << 3 | wire) + content for wire, content in one_by_one)


def raw(datatype: str, values: list) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(one)) + one for one in values)
    if datatype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{RAW[datatype]}", *values)


def output(
    name: str, datatype: str, shape: list[int], contents: bytes = b"", *, packed: bool = True
) -> bytes:
    dims = (
        field(3, b"".join(map(varint, shape))) if packed else b"".join(b"\x18" + varint(one) for one in shape)
    )
    head = field(1, name.encode()) + field(2, datatype.encode()) + dims
    return field(5, head + (field(5, contents) if contents else b""))


def response(*parts: bytes) -> bytes:
    return field(1, b"model") + field(2, b"1") + field(3, b"request-7") + b"".join(parts)


def raw_response(name: str, datatype: str, values: list) -> bytes:
    return response(output(name, datatype, [len(values)]), field(6, raw(datatype, values)))


def typed_response(name: str, datatype: str, values: list, *, packed: bool = True) -> bytes:
    contents = typed(datatype, values, packed=packed)
    return response(output(name, datatype, [len(values)], contents, packed=packed))


def listed(tensor: Tensor) -> list:
    values = tensor.values
    return [bytes(one) for one in values] if isinstance(values, Texts) else values.tolist()


SAMPLES = [
    ("BOOL", [True, False, True]),
    ("INT8", [-128, 0, 127]),
    ("INT16", [-(2**15), 2**15 - 1]),
    ("INT32", [-(2**31), 2**31 - 1]),
    ("INT64", [-(2**63), 2**63 - 1, 2**53 + 1]),
    ("UINT8", [0, 255]),
    ("UINT16", [0, 2**16 - 1]),
    ("UINT32", [0, 2**32 - 1]),
    ("UINT64", [0, 2**64 - 1, 2**53 + 1]),
    ("FP32", [0.5, -0.0, 3.0e38]),
    ("FP64", [0.1, -1e300, 5e-324]),
    ("BYTES", [b"", b"cat", b"\x00\xff" * 100]),
]


@pytest.mark.parametrize(("datatype", "values"), SAMPLES)
def test_raw_and_typed_contents_of_every_datatype_read_alike(datatype, values):
    messages = [
        raw_response("y", datatype, values),
        typed_response("y", datatype, values),
        typed_response("y", datatype, values, packed=False),
    ]
    for message in messages:
        tensor = decode(message)["y"]
        assert (tensor.datatype, tensor.shape) == (datatype, (len(values),))
        assert (
            listed(tensor) == pytest.approx(values, rel=1e-6)
            if datatype == "FP32"
            else listed(tensor) == values
        )
        for other in messages:
            assert compare(decode(message), decode(other), Tolerance()).matches


@pytest.mark.parametrize(("datatype", "values"), SAMPLES)
def test_another_last_value_of_any_datatype_is_a_mismatch_in_both_forms(datatype, values):
    others = [
        *values[:-1],
        b"other" if datatype == "BYTES" else (not values[-1] if datatype == "BOOL" else 1),
    ]
    for form in (raw_response, typed_response):
        for other in (raw_response, typed_response):
            found = compare(
                decode(form("y", datatype, values)), decode(other("y", datatype, others)), Tolerance()
            )
            assert not found.matches


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_floats_come_raw_only(datatype):
    values = [0.5, -2.0, 0.0, float("inf")]
    assert listed(decode(raw_response("y", datatype, values))["y"]) == values
    with pytest.raises(Undecodable, match=f"typed contents of type '{datatype}'"):
        decode(response(output("y", datatype, [1], field(6, b"\0\0\0\0"))))


def test_bf16_is_the_upper_half_of_a_float():
    (value,) = listed(decode(response(output("y", "BF16", [1]), field(6, b"\x49\x40")))["y"])
    assert value == 3.140625


def test_several_outputs_take_their_raw_contents_in_order():
    message = response(
        output("label", "BYTES", [1]),
        output("score", "FP32", [2]),
        field(6, raw("BYTES", [b"cat"])),
        field(6, raw("FP32", [0.25, 0.75])),
    )
    decoded = decode(message)
    assert (listed(decoded["label"]), listed(decoded["score"])) == ([b"cat"], [0.25, 0.75])


def test_outputs_in_another_order_and_form_are_the_same_prediction():
    first = response(
        output("a", "INT64", [1]),
        output("b", "FP64", [1]),
        field(6, raw("INT64", [7])),
        field(6, raw("FP64", [0.5])),
    )
    second = response(
        output("b", "FP64", [1], typed("FP64", [0.5])), output("a", "INT64", [1], typed("INT64", [7]))
    )
    assert compare(decode(first), decode(second), Tolerance()).matches


def test_what_stands_beside_the_outputs_is_no_part_of_the_prediction():
    parameters = field(4, field(1, b"took_ms") + field(2, b"\x10\x07"))
    assert decode(parameters + raw_response("y", "INT8", [1])).keys() == {"y"}
    unknown = b"\xa0\x06\x05" + b"\xa1\x06" + b"\0" * 8 + b"\xa5\x06" + b"\0" * 4
    assert decode(unknown + raw_response("y", "INT8", [1])).keys() == {"y"}


def test_shapes_beyond_one_dimension_and_of_none():
    assert decode(response(output("y", "INT8", [2, 3, -1]), field(6, b"\1")))["y"].shape == (2, 3, -1)
    assert decode(response(output("y", "INT8", []), field(6, b"\1")))["y"].shape == ()
    assert decode(response(output("y", "FP32", [0])))["y"].shape == (0,)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\xff", "cut short"),
        (b"\x2a\x05ab", "cut short"),
        (b"\x2b", "wire type 3"),
        (b"\x08" + b"\xff" * 11, "a varint without an end"),
        (
            response(output("y", "INT8", [1]), field(6, b"\1"), field(6, b"\1")),
            "2 raw contents for 1 outputs",
        ),
        (response(output("y", "INT64", [1]), field(6, b"1234567")), "raw contents of type 'INT64'"),
        (response(output("y", "INT65", [1]), field(6, b"\1")), "raw contents of type 'INT65'"),
        (response(output("y", "", [1]), field(6, b"\1")), "raw contents of type ''"),
        (response(output("y", "BF16", [1]), field(6, b"123")), "BF16 contents of odd length"),
        (response(output("y", "BYTES", [1]), field(6, b"\5\0\0\0abcd")), "BYTES contents cut short"),
        (response(output("y", "BYTES", [1]), field(6, b"\5\0")), "BYTES contents cut short"),
        (response(output("y", "FP64", [1], field(7, b"1234567"))), "contents cut short"),
        (response(output("y", "INT64", [1], field(3, b"\xff"))), "cut short"),
        (response(output("y", "INT64", [1], b"\x1d\0\0\0\0")), "bytes where a number should be"),
        (response(output("y", "UINT32", [1], typed("UINT32", [2**64 - 1]))), "a number out of range"),
        (
            response(output("y", "INT8", [1]), output("y", "INT8", [1]), field(6, b"1"), field(6, b"2")),
            "two outputs",
        ),
    ],
)
def test_what_is_no_v2_answer_is_undecodable(message, why):
    with pytest.raises(Undecodable, match=why):
        [listed(tensor) for tensor in decode(message).values()]


@settings(max_examples=300)
@given(
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from([b"\x2a\x0a", b"\x12\x05INT64", b"\x1a\x01\x02", b"\x32\x08", b"\x0a\x01y"])
        | st.binary(max_size=9)
    ).map(b"".join)
)
def test_hostile_bytes_decode_or_are_undecodable(data):
    try:
        decoded = decode(data)
    except Undecodable:
        return
    assert compare(decoded, decoded, Tolerance()).matches


INTEGER_TYPES = [name for name in RAW if "INT" in name]


@settings(max_examples=100)
@given(data=st.data(), datatype=st.sampled_from(INTEGER_TYPES))
def test_any_whole_numbers_read_alike_raw_and_typed(data, datatype):
    info = np.iinfo(datatype.lower())
    values = data.draw(st.lists(st.integers(int(info.min), int(info.max)), min_size=1, max_size=5))
    assert listed(decode(raw_response("y", datatype, values))["y"]) == values
    assert listed(decode(typed_response("y", datatype, values))["y"]) == values
