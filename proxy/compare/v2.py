"""A KServe V2 ModelInferResponse as named arrays, read from the wire by field number.

Values stand in an output's typed contents or, all outputs in order, in `raw_output_contents`; both read
alike. Source: Open Inference Protocol, gRPC, "Tensor Data" (raw: little-endian, row-major; BYTES: each
element behind a 4-byte length).
"""

import numpy as np
from numpy.typing import NDArray

from proxy.compare import wire
from proxy.compare.answers import Undecodable
from proxy.compare.tensors import Prediction, Tensor, Values, named

# ModelInferResponse: parameters = 4, outputs = 5, raw_output_contents = 6.
# InferOutputTensor: name = 1, datatype = 2, shape = 3, parameters = 4, contents = 5.
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


def decode(message: bytes | memoryview) -> Prediction:
    """The outputs of a serialised ModelInferResponse, by name."""
    outputs: list[memoryview] = []
    raw: list[memoryview] = []
    kept = {5: outputs, 6: raw}
    for number, _, value in wire.fields(memoryview(message)):
        if number in kept and isinstance(value, memoryview):
            kept[number].append(value)
    if raw and len(raw) != len(outputs):
        raise Undecodable(f"{len(raw)} raw contents for {len(outputs)} outputs")
    return named(_output(output, raw[index] if raw else None) for index, output in enumerate(outputs))


def parameters(message: bytes | memoryview) -> dict[str, bytes]:
    """The parameters of the response as a whole; its outputs have their own."""
    return _parameters(wire.contents(memoryview(message), 4))


def unwrapped(message: bytes | memoryview) -> memoryview:
    """The ModelInferResponse in one message of ModelStreamInfer's answer, bare or in an envelope.

    Triton puts it into a ModelStreamInferResponse (error_message = 1, infer_response = 2); MLServer
    sends it bare, which its higher field numbers tell.
    """
    fields = list(wire.fields(memoryview(message)))
    if any(number > 2 for number, _, _ in fields):
        return memoryview(message)
    if any(number == 1 and value for number, _, value in fields):
        raise Undecodable("an error message in place of a response")
    return wire.joined(value for _, _, value in fields)


def _output(output: memoryview, raw: memoryview | None) -> tuple[str, Tensor]:
    name = datatype = ""
    shape: list[int | memoryview] = []
    contents: list[memoryview] = []
    parameters: list[memoryview] = []
    for number, _, value in wire.fields(output):
        if number == 3:
            shape.append(value)
        elif isinstance(value, memoryview):
            match number:
                case 1:
                    name = wire.text(value)
                case 2:
                    datatype = wire.text(value)
                case 4:
                    parameters.append(value)
                case 5:
                    contents.append(value)
                case _:
                    pass
    values = _from_raw(datatype, raw) if raw is not None else _from_contents(datatype, wire.joined(contents))
    dimensions = tuple(wire.varints(shape).view(np.int64).tolist())
    return name, Tensor(datatype, dimensions, values, _parameters(parameters))


def _parameters(entries: list[memoryview]) -> dict[str, bytes]:
    """A map<string, InferParameter>: key = 1, value = 2."""
    found: dict[str, bytes] = {}
    for entry in entries:
        parts = {number: value for number, _, value in wire.fields(entry) if isinstance(value, memoryview)}
        found[wire.text(parts.get(1, memoryview(b"")))] = bytes(parts.get(2, b""))
    return found


def _from_raw(datatype: str, raw: memoryview) -> Values:
    if datatype == "BYTES":
        return wire.lengths_and_texts(raw)
    if datatype == "BF16":  # the upper half of a float32
        if len(raw) % 2:
            raise Undecodable("BF16 contents of odd length")
        return (wire.numbers(raw, "<u2").astype("<u4") << 16).view("<f4")
    if datatype not in _RAW or len(raw) % np.dtype(_RAW[datatype]).itemsize:
        raise Undecodable(f"raw contents of type {datatype!r}")
    return wire.numbers(raw, _RAW[datatype])


def _from_contents(datatype: str, contents: memoryview) -> Values:
    wanted = _CONTENTS.get(datatype)
    if wanted is None:
        raise Undecodable(f"typed contents of type {datatype!r}")
    if wanted == _CONTENTS["BYTES"]:
        return wire.texts(contents, wanted)
    parts = _values(contents, wanted)
    match wanted:
        case 6 | 7:
            return wire.numbers(wire.joined(parts), "<f4" if wanted == 6 else "<f8")
        case 1:
            return wire.truths(parts)
        case 2 | 3:
            return wire.varints(parts).view(np.int64)
        case 4:
            return _small(wire.varints(parts))
        case _:
            return wire.varints(parts)


def _small(numbers: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Unsigned numbers of at most 32 bits."""
    if numbers.size and int(numbers.max()) >= 2**32:
        raise Undecodable("a number out of range")
    return numbers.view(np.int64)


def _values(contents: memoryview, wanted: int) -> list[int | memoryview]:
    """The values of one type, packed or one by one."""
    parts: list[int | memoryview] = []
    for number, kind, value in wire.fields(contents):
        if number == wanted:
            if kind in (1, 5) and wanted not in (6, 7):
                raise Undecodable("bytes where a number should be")
            parts.append(value)
    return parts
