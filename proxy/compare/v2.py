"""A KServe V2 ModelInferResponse as named arrays, read from the wire by field number.

Values stand in an output's typed contents or, all outputs in order, in `raw_output_contents`; both read
alike. Source: Open Inference Protocol, gRPC, "Tensor Data" (raw: little-endian, row-major; BYTES: each
element behind a 4-byte length).
"""

import struct
from collections.abc import Iterator

import numpy as np

from proxy.compare.comparison import Undecodable
from proxy.compare.tensors import Prediction, Tensor, Values

# ModelInferResponse: outputs = 5, raw_output_contents = 6.
# InferOutputTensor: name = 1, datatype = 2, shape = 3, contents = 5.
# InferTensorContents: bool = 1, int = 2, int64 = 3, uint = 4, uint64 = 5, fp32 = 6, fp64 = 7, bytes = 8.

_RAW = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_CONTENTS = {"BOOL": 1, "INT8": 2, "INT16": 2, "INT32": 2, "INT64": 3, "UINT8": 4, "UINT16": 4, "UINT32": 4}
_CONTENTS |= {"UINT64": 5, "FP32": 6, "FP64": 7, "BYTES": 8}
_FIXED = {6: "<f4", 7: "<f8"}
_INTEGERS = {1: np.bool_, 5: np.uint64}

Field = tuple[int, int, int | bytes]
"""Field number, wire type, and its varint or its bytes."""


def decode(message: bytes) -> Prediction:
    """The outputs of a serialised ModelInferResponse, by name."""
    outputs: list[bytes] = []
    raw: list[bytes] = []
    for number, _, value in _fields(message):
        if isinstance(value, bytes):
            if number == 5:
                outputs.append(value)
            elif number == 6:
                raw.append(value)
    if raw and len(raw) != len(outputs):
        raise Undecodable(f"{len(raw)} raw contents for {len(outputs)} outputs")
    named = dict(_output(output, raw[index] if raw else None) for index, output in enumerate(outputs))
    if len(named) != len(outputs):
        raise Undecodable("two outputs of one name")
    return named


def decode_streamed(message: bytes) -> Prediction:
    """The outputs of one message of ModelStreamInfer's answer: a ModelInferResponse, bare or in an envelope.

    Triton puts it into a ModelStreamInferResponse (error_message = 1, infer_response = 2); MLServer
    sends it bare, which its higher field numbers tell.
    """
    fields = list(_fields(message))
    if any(number > 2 for number, _, _ in fields):
        return decode(message)
    if any(number == 1 and value for number, _, value in fields):
        raise Undecodable("an error message in place of a response")
    return decode(b"".join(value for _, _, value in fields if isinstance(value, bytes)))


def _output(output: bytes, raw: bytes | None) -> tuple[str, Tensor]:
    name = datatype = ""
    shape: list[int] = []
    contents = b""
    for number, wire, value in _fields(output):
        if number == 3:
            shape += _varints(value) if wire == 2 else [_signed(value)]
        elif isinstance(value, bytes):
            if number == 1:
                name = _text(value)
            elif number == 2:
                datatype = _text(value)
            elif number == 5:
                contents += value
    values = _from_raw(datatype, raw) if raw is not None else _from_contents(datatype, contents)
    return name, Tensor(datatype, tuple(shape), values)


def _from_raw(datatype: str, raw: bytes) -> Values:
    if datatype == "BYTES":
        return list(_lengths_and_bytes(raw))
    if datatype == "BF16":  # the upper half of a float32
        if len(raw) % 2:
            raise Undecodable("BF16 contents of odd length")
        return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    if datatype not in _RAW or len(raw) % np.dtype(_RAW[datatype]).itemsize:
        raise Undecodable(f"raw contents of type {datatype!r}")
    return np.frombuffer(raw, _RAW[datatype])


def _from_contents(datatype: str, contents: bytes) -> Values:
    wanted = _CONTENTS.get(datatype)
    if wanted is None:
        raise Undecodable(f"typed contents of type {datatype!r}")
    parts = [(wire, value) for number, wire, value in _fields(contents) if number == wanted]
    if wanted == 8:
        return [value for _, value in parts if isinstance(value, bytes)]
    if wanted in _FIXED:
        packed = b"".join(value for _, value in parts if isinstance(value, bytes))
        if len(packed) % np.dtype(_FIXED[wanted]).itemsize:
            raise Undecodable("contents cut short")
        return np.frombuffer(packed, _FIXED[wanted])
    numbers: list[int] = []
    for wire, value in parts:
        if wire not in (0, 2):
            raise Undecodable("bytes where a number should be")
        numbers += _varints(value, signed=wanted in (2, 3))
    try:
        return np.array(numbers, _INTEGERS.get(wanted, np.int64))
    except OverflowError:
        raise Undecodable("a number out of range") from None


def _lengths_and_bytes(raw: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(raw):
        if position + 4 > len(raw):
            raise Undecodable("BYTES contents cut short")
        (length,) = struct.unpack_from("<I", raw, position)
        position += 4
        if position + length > len(raw):
            raise Undecodable("BYTES contents cut short")
        yield raw[position : position + length]
        position += length


def _fields(message: bytes) -> Iterator[Field]:
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield tag >> 3, wire, value
            continue
        if wire == 2:
            length, position = _varint(message, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise Undecodable(f"wire type {wire}")
        if position + length > len(message):
            raise Undecodable("cut short")
        yield tag >> 3, wire, message[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise Undecodable("cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise Undecodable("a varint without an end")


def _varints(packed: int | bytes, *, signed: bool = True) -> list[int]:
    if isinstance(packed, int):
        return [_signed(packed) if signed else packed]
    numbers = []
    position = 0
    while position < len(packed):
        value, position = _varint(packed, position)
        numbers.append(_signed(value) if signed else value)
    return numbers


def _signed(value: int | bytes) -> int:
    """A varint as the two's complement number of 64 bits that int32 and int64 are written as."""
    if isinstance(value, bytes):
        raise Undecodable("bytes where a number should be")
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
