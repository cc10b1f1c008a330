"""A TensorFlow Serving PredictResponse as named arrays, read from the wire by field number.

PredictResponse: map<string, TensorProto> outputs = 1. The model_spec says which version answered, and is no
part of the prediction. Source: tensorflow_serving/apis/predict.proto, tensorflow/core/framework/tensor.proto,
tensor_shape.proto, types.proto: values stand in `tensor_content`, little-endian, or in the list of their
type, where the last one stands for all that are left of the shape, and none at all for zeros.
"""

import math
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxy.compare import wire
from proxy.compare.answers import Undecodable
from proxy.compare.tensors import Prediction, Tensor, Values, named
from proxy.compare.texts import Texts

# TensorProto: dtype = 1, tensor_shape = 2, tensor_content = 4, and the lists below.
# TensorShapeProto: dim = 2, with size = 1.
_FLOAT, _DOUBLE, _INT, _STRING, _INT64, _BOOL, _HALF, _UINT32, _UINT64 = 5, 6, 7, 8, 10, 11, 13, 16, 17

# DataType -> its name, its layout in tensor_content, its list.
_TYPES: dict[int, tuple[str, str, int]] = {
    1: ("float", "<f4", _FLOAT),
    2: ("double", "<f8", _DOUBLE),
    3: ("int32", "<i4", _INT),
    4: ("uint8", "u1", _INT),
    5: ("int16", "<i2", _INT),
    6: ("int8", "i1", _INT),
    7: ("string", "", _STRING),
    9: ("int64", "<i8", _INT64),
    10: ("bool", "?", _BOOL),
    14: ("bfloat16", "<u2", _HALF),
    17: ("uint16", "<u2", _INT),
    19: ("half", "<f2", _HALF),
    22: ("uint32", "<u4", _UINT32),
    23: ("uint64", "<u8", _UINT64),
}
MAX_REPEATED = 2**24
"""Values that a shape may ask for beyond those that stand in the message."""


def decode(message: bytes | memoryview) -> Prediction:
    """The outputs of a serialised PredictResponse, by name."""
    return named(_output(entry) for entry in wire.contents(memoryview(message), 1))


def _output(entry: memoryview) -> tuple[str, Tensor]:
    """A map entry: key = 1, value = 2."""
    parts = {number: value for number, _, value in wire.fields(entry) if isinstance(value, memoryview)}
    return wire.text(parts.get(1, memoryview(b""))), _tensor(parts.get(2, memoryview(b"")))


def _tensor(message: memoryview) -> Tensor:
    kind = 0
    shape: tuple[int, ...] = ()
    content = memoryview(b"")
    for number, _, value in wire.fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, memoryview):
            shape = _shape(value)
        elif number == 4 and isinstance(value, memoryview):
            content = value
    if kind not in _TYPES:
        raise Undecodable(f"values of data type {kind}")
    name, layout, place = _TYPES[kind]
    values: Values
    if name == "string":
        if len(content):
            raise Undecodable("strings in tensor_content")
        values = _repeated(wire.texts(message, place), math.prod(shape))
    elif len(content):
        values = wire.numbers(content, layout)
    else:
        values = _filled(_listed(message, name, layout, place), math.prod(shape))
    return Tensor(name, shape, _widened(values) if name == "bfloat16" else values)


def _shape(message: memoryview) -> tuple[int, ...]:
    sizes = []
    for dimension in wire.contents(message, 2):
        found = [value for number, _, value in wire.fields(dimension) if number == 1]
        size = found[-1] if found else 0
        if not isinstance(size, int) or size >= 2**63:
            raise Undecodable("a dimension of unknown size")
        sizes.append(size)
    return tuple(sizes)


def _listed(message: memoryview, name: str, layout: str, place: int) -> NDArray[Any]:
    parts = [value for number, _, value in wire.fields(message) if number == place]
    if name in ("float", "double"):
        return wire.numbers(wire.joined(parts), layout)
    whole = wire.varints(parts)
    match name:
        case "bool":
            return whole.astype(np.bool_)
        case "half":
            return whole.astype("<u2").view("<f2")
        case _:
            return whole.astype(layout)  # as C does: the low bits


def _filled(values: NDArray[Any], size: int) -> NDArray[Any]:
    """The last value again and again, up to the shape's size."""
    missing = size - values.size
    if missing <= 0:
        return values
    if missing > MAX_REPEATED:
        raise Undecodable("a shape far beyond its values")
    last = values[-1:] if values.size else np.zeros(1, values.dtype)
    return np.concatenate((values, np.repeat(last, missing)))


def _repeated(texts: Texts, size: int) -> Texts:
    """The same of strings, one by one."""

    def read(place: int, count: int) -> Iterator[memoryview]:
        last = memoryview(b"")
        for count, last in enumerate(texts.read(place, count), start=count + 1):  # noqa: B007, B020, PLR1704  # wanted below
            yield last
        if size - count > MAX_REPEATED:
            raise Undecodable("a shape far beyond its values")
        yield from repeat(last, max(size - count, 0))

    return Texts(read, texts.packed)


def _widened(values: Values) -> Values:
    """bfloat16 is the upper half of a float32."""
    if isinstance(values, Texts):
        return values
    return (values.astype("<u4") << 16).view("<f4")
