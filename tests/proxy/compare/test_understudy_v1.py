import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1.prediction_pb2 import PredictResponse, Tensor

from proxy.compare.answers import Undecodable
from proxy.compare.understudy_v1 import decode


def a_response(*tensors: Tensor) -> bytes:
    return PredictResponse(model_name="m", outputs=tensors).SerializeToString()


@pytest.mark.parametrize(
    ("values", "datatype", "kind"),
    [
        ({"doubles": [0.1, -0.0]}, "double", "f8"),
        ({"floats": [0.5, 2.0]}, "float", "f4"),
        ({"ints": [-(2**63), 2**63 - 1]}, "int", "i8"),
        ({"bools": [True, False]}, "bool", "?"),
    ],
)
def test_numbers_of_every_kind(values, datatype, kind):
    tensor = decode(a_response(Tensor(name="x", shape=[1, 2], **values)))["x"]
    assert (tensor.datatype, tensor.shape) == (datatype, (1, 2))
    assert isinstance(tensor.values, np.ndarray)
    assert tensor.values.dtype == np.dtype(kind)
    (expected,) = values.values()
    assert tensor.values.tolist() == expected


def test_texts_and_bytes():
    decoded = decode(
        a_response(
            Tensor(name="s", shape=[1], strings=["zoë"]), Tensor(name="b", shape=[2], bytes=[b"", b"\xff"])
        )
    )
    assert (decoded["s"].datatype, [*decoded["s"].values]) == ("string", ["zoë".encode()])
    assert (decoded["b"].datatype, [*decoded["b"].values]) == ("bytes", [b"", b"\xff"])


def test_an_output_without_values_is_empty():
    tensor = decode(a_response(Tensor(name="x", shape=[0])))["x"]
    assert (tensor.shape, [*tensor.values]) == ((0,), [])


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\xff", "cut short"),
        (b"\x1a\x03\x22\x01\xff", "contents cut short"),
        (a_response(Tensor(name="x", ints=[1]), Tensor(name="x", ints=[2])), "two outputs of one name"),
        (a_response(Tensor(name="x", ints=[1], strings=["a"])), "values of several types in output 'x'"),
    ],
)
def test_what_is_no_prediction_is_undecodable(message, why):
    with pytest.raises(Undecodable, match=why):
        decode(message)


@given(st.binary(max_size=60))
def test_hostile_bytes_decode_or_are_undecodable(data):
    try:
        assert isinstance(decode(data), dict)
    except Undecodable:
        return
