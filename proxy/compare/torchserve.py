"""A TorchServe PredictionResponse as named arrays: its field holds what the handler returned, mostly JSON.

PredictionResponse: bytes prediction = 1 (TorchServe's inference.proto). An object's members are outputs by
name, nested ones by their path (`scores.cat`, `boxes[0].label`); a list of numbers, of lists of as many
numbers, and so on, is one output of that shape; anything else is a single output called `prediction`. JSON
knows no integers: 1 is 1.0. What is no JSON is compared byte for byte.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from proxy.compare import wire
from proxy.compare.answers import Undecodable
from proxy.compare.tensors import Prediction, Tensor, Values, named
from proxy.compare.texts import Texts

MAX_BYTES = 128 * 1024
"""Longer documents are compared byte for byte: parsed, they take many times as much memory."""

EXACT = 2**53
"""Up to here a double holds every whole number; lists of larger ones, such as ids, are compared exactly."""

WHOLE = "prediction"
"""The output's name where the document has none."""


def decode(message: bytes | memoryview) -> Prediction:
    """What a serialised PredictionResponse says, by name."""
    document = wire.joined(wire.contents(memoryview(message), 1))
    if len(document) > MAX_BYTES:
        raise Undecodable("too long a document")
    try:
        return named(_outputs("", json.loads(bytes(document), parse_float=_float, parse_int=_int)))
    except (ValueError, RecursionError, OverflowError) as error:
        raise Undecodable("no JSON") from error


def _float(text: str) -> float:
    """As the parser itself has it, but in Python: for once in a while another thread gets its turn."""
    return float(text)


def _int(text: str) -> int:
    return int(text)


def _outputs(path: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _outputs(f"{path}.{name}" if path else name, member)
        return
    tensor = _tensor(value)
    if tensor is not None:
        yield path or WHOLE, tensor
    else:
        for place, member in enumerate(value):
            yield from _outputs(f"{path}[{place}]", member)


def _tensor(value: Any) -> Tensor | None:
    """A value that is one output; None for a list of things that differ."""
    shape, leaves = _regular(value)
    if leaves is None:
        return None
    kinds = {type(leaf) for leaf in leaves}
    if kinds <= {int, float}:
        return Tensor("number", shape, _numbers(leaves))
    if kinds == {bool}:
        return Tensor("bool", shape, np.array(leaves, np.bool_))
    if kinds == {str}:
        return Tensor("string", shape, Texts.of([leaf.encode("utf-8", "surrogatepass") for leaf in leaves]))
    if len(leaves) == 1 and not shape:
        return Tensor(type(value).__name__, (), Texts.of(()))  # null, or an empty object
    return None


def _numbers(leaves: list[Any]) -> Values:
    if any(isinstance(leaf, int) and abs(leaf) > EXACT for leaf in leaves):
        return Texts.of([repr(leaf).encode() for leaf in leaves])
    return np.array(leaves, np.float64)


def _regular(value: Any) -> tuple[tuple[int, ...], list[Any] | None]:
    """Shape and leaves of lists of equal length; no leaves where they are not."""
    if not isinstance(value, list):
        return (), [value]
    if any(isinstance(member, dict) for member in value):
        return (), None
    parts = [_regular(member) for member in value]
    if any(leaves is None or shape != parts[0][0] for shape, leaves in parts):
        return (), None
    inner = parts[0][0] if parts else ()
    return (len(value), *inner), [leaf for _, leaves in parts for leaf in leaves or ()]
