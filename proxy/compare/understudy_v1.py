"""Our own PredictResponse as named arrays."""

import numpy as np
from google.protobuf.message import DecodeError
from understudy.v1 import prediction_pb2

from proxy.compare.comparison import Undecodable
from proxy.compare.tensors import Prediction, Tensor

_VALUES = ("doubles", "floats", "ints", "bools", "strings", "bytes")


def decode(message: bytes) -> Prediction:
    """The outputs of a serialised PredictResponse, by name."""
    try:
        response = prediction_pb2.PredictResponse.FromString(message)
    except DecodeError as error:
        raise Undecodable(str(error)) from None
    named = {tensor.name: _tensor(tensor) for tensor in response.outputs}
    if len(named) != len(response.outputs):
        raise Undecodable("two outputs of one name")
    return named


def _tensor(tensor: prediction_pb2.Tensor) -> Tensor:
    shape = tuple(tensor.shape)
    if sum(bool(getattr(tensor, field)) for field in _VALUES) > 1:
        raise Undecodable(f"values of several types in output {tensor.name!r}")
    if tensor.doubles:
        return Tensor("double", shape, np.array(tensor.doubles, np.float64))
    if tensor.floats:
        return Tensor("float", shape, np.array(tensor.floats, np.float32))
    if tensor.ints:
        return Tensor("int", shape, np.array(tensor.ints, np.int64))
    if tensor.bools:
        return Tensor("bool", shape, np.array(tensor.bools, np.bool_))
    if tensor.strings:
        return Tensor("string", shape, [text.encode() for text in tensor.strings])
    return Tensor("bytes", shape, list(tensor.bytes))
