"""Predictions as bytes: of `understudy.v1`, and of V2 (by field number: no descriptor is registered)."""

import struct
from collections.abc import Mapping, Sequence

from understudy.v1 import prediction_pb2


def ours(**outputs: Sequence[float] | Sequence[str]) -> bytes:
    """An understudy.v1 PredictResponse: numbers as doubles, texts as strings."""
    response = prediction_pb2.PredictResponse(model_name="m")
    for name, values in outputs.items():
        tensor = response.outputs.add(name=name, shape=[len(values)])
        for value in values:
            if isinstance(value, str):
                tensor.strings.append(value)
            else:
                tensor.doubles.append(value)
    return response.SerializeToString()


def v2(outputs: Mapping[str, Sequence[float]], model: str = "m") -> bytes:
    """A V2 ModelInferResponse with FP64 outputs in raw contents."""
    message = _field(1, model.encode())
    for name, values in outputs.items():
        shape = _field(3, bytes([len(values)]))
        message += _field(5, _field(1, name.encode()) + _field(2, b"FP64") + shape)
    for values in outputs.values():
        message += _field(6, struct.pack(f"<{len(values)}d", *values))
    return message


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content
