"""Our own PredictResponse as named arrays, read from the wire by field number.

PredictResponse: outputs = 3. Tensor: name = 1, shape = 2, doubles = 3, floats = 4, ints = 5, strings = 6,
bytes = 7, bools = 8.
"""

import numpy as np

from proxy.compare import wire
from proxy.compare.answers import Undecodable
from proxy.compare.tensors import Prediction, Tensor, Values, named

_TYPES = {3: "double", 4: "float", 5: "int", 6: "string", 7: "bytes", 8: "bool"}
_TEXTS = (6, 7)


def decode(message: bytes | memoryview) -> Prediction:
    """The outputs of a serialised PredictResponse, by name."""
    return named(_tensor(output) for output in wire.contents(memoryview(message), 3))


def _tensor(message: memoryview) -> tuple[str, Tensor]:
    name = ""
    parts: dict[int, list[int | memoryview]] = {}
    for number, _, value in wire.fields(message):
        if number == 1 and isinstance(value, memoryview):
            name = wire.text(value)
        elif number in _TEXTS:
            parts[number] = []  # they are read where they stand
        else:
            parts.setdefault(number, []).append(value)
    shape = tuple(wire.varints(parts.pop(2, [])).view(np.int64).tolist())
    filled = [number for number in _TYPES if number in parts]
    if len(filled) > 1:
        raise Undecodable(f"values of several types in output {name!r}")
    number = filled[0] if filled else 7
    if number in _TEXTS:
        return name, Tensor(_TYPES[number], shape, wire.texts(message, number))
    return name, Tensor(_TYPES[number], shape, _values(number, parts.get(number, [])))


def _values(number: int, parts: list[int | memoryview]) -> Values:
    match number:
        case 3 | 4:
            return wire.numbers(wire.joined(parts), "<f8" if number == 3 else "<f4")
        case 5:
            return wire.varints(parts).view(np.int64)
        case _:
            return wire.truths(parts)
