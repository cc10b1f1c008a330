"""Named arrays, and when two sets of them agree.

Outputs are matched by name, in any order. Numbers agree when `|a - b| <= absolute + relative * |primary|`;
NaN agrees with NaN and an infinity with the same infinity only. Where a rule asks for it they agree, in
place of that, by the positions of each row's largest values or by their decimal places. Text, bytes and
truth values agree when they are equal, and so do parameters.

Works on blocks: numpy lets other threads run within a step, and Python between two.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxy.compare.answers import Comparison, Undecodable
from proxy.compare.texts import Texts
from proxy.policy.table import Tolerance

BLOCK = 32 * 1024
"""Values compared at once."""

MAX_LABEL = 64
"""Bytes of a label that may be recorded."""

MAX_RECORDED = 8
"""Outputs whose values are recorded."""

Values = NDArray[Any] | Texts
"""Numbers, or what has no tolerance."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A shape, a data type's name and the values in row-major order."""

    datatype: str
    shape: tuple[int, ...]
    values: Values
    parameters: Mapping[str, bytes] = field(default_factory=dict)


Prediction = Mapping[str, Tensor]
"""Outputs by name."""


def named(outputs: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Outputs by name; two of one name are no prediction."""
    found: dict[str, Tensor] = {}
    for name, tensor in outputs:
        if name in found:
            raise Undecodable("two outputs of one name")
        found[name] = tensor
    return found


def compare(primary: Prediction, shadow: Prediction, tolerance: Tolerance) -> Comparison:
    """Hold two predictions together, over the outputs asked for or over the whole response."""
    failed: Comparison | None = None
    max_absolute = max_relative = 0.0
    for one in _comparisons(primary, shadow, tolerance):
        max_absolute = max(max_absolute, one.max_absolute)
        max_relative = max(max_relative, one.max_relative)
        failed = failed or (None if one.matches else one)
    if failed is None:
        return Comparison(matches=True, max_absolute=max_absolute, max_relative=max_relative)
    return Comparison(False, failed.output, failed.reason, max_absolute, max_relative, failed.kind)  # noqa: FBT003


def compare_parameters(
    output: str, primary: Mapping[str, bytes], shadow: Mapping[str, bytes], tolerance: Tolerance
) -> Comparison:
    """Hold the parameters of an output together, or of the response where `output` is empty."""
    if "*" not in tolerance.ignore_parameters:
        for name in sorted((primary.keys() | shadow.keys()) - tolerance.ignore_parameters):
            if primary.get(name) != shadow.get(name):
                return _fails("parameters", output, f"parameter {name!r} differs")
    return Comparison(matches=True)


def recorded(prediction: Prediction, tolerance: Tolerance) -> str:
    """Outputs of a single number or short label, as JSON."""
    found: dict[str, Any] = {}
    for name in _names(prediction, prediction, tolerance):
        tensor = prediction.get(name)
        value = _single(tensor.values) if tensor and math.prod(tensor.shape) == 1 else None
        if value is not None and len(found) < MAX_RECORDED and len(name.encode()) <= MAX_LABEL:
            found[name] = value
    return json.dumps(found, ensure_ascii=False) if found else ""


def _names(primary: Prediction, shadow: Prediction, tolerance: Tolerance) -> list[str]:
    return sorted((tolerance.outputs or (primary.keys() | shadow.keys())) - tolerance.ignore_outputs)


def _comparisons(primary: Prediction, shadow: Prediction, tolerance: Tolerance) -> Iterator[Comparison]:
    for name in _names(primary, shadow, tolerance):
        a, b = primary.get(name), shadow.get(name)
        if a is None or b is None:
            side = "both" if a is b else "the primary" if a is None else "the shadow"
            yield _fails("missing", name, f"is missing in {side}")
            continue
        yield _compare_output(name, a, b, tolerance.rule(name))
        yield compare_parameters(name, a.parameters, b.parameters, tolerance)


def _compare_output(name: str, primary: Tensor, shadow: Tensor, rule: Tolerance) -> Comparison:
    if primary.shape != shadow.shape:
        return _fails("shape", name, f"shape {primary.shape} against {shadow.shape}")
    if primary.datatype != shadow.datatype:
        return _fails("type", name, f"type {primary.datatype} against {shadow.datatype}")
    a, b = primary.values, shadow.values
    if isinstance(a, Texts) or isinstance(b, Texts):
        same = isinstance(a, Texts) and isinstance(b, Texts) and a.same(b)
        return Comparison(matches=True) if same else _fails("values", name, "values differ")
    if a.size != b.size:
        return _fails("shape", name, f"{a.size} values against {b.size}")
    return _compare_numbers(name, a, b, rule, primary.shape)


def _compare_numbers(
    name: str, a: NDArray[Any], b: NDArray[Any], rule: Tolerance, shape: tuple[int, ...]
) -> Comparison:
    wrong = 0
    absolute = relative = 0.0
    for start in range(0, a.size, BLOCK):
        block, other = a[start : start + BLOCK], b[start : start + BLOCK]
        if block.dtype.kind == "b":
            wrong += int(np.count_nonzero(block != other))
            continue
        agrees, largest, largest_relative = _agreement(block, other, rule)
        absolute, relative = max(absolute, largest), max(relative, largest_relative)
        wrong += int(np.count_nonzero(~agrees))
    what = "values differ beyond the tolerance"
    if rule.top_k and a.dtype.kind != "b":
        a, b = _rows(a, shape), _rows(b, shape)
        wrong, what = _other_tops(a, b, rule.top_k), f"rows differ in their {rule.top_k} largest"
    elif rule.decimals is not None:
        what = f"values differ in {rule.decimals} decimals"
    if wrong == 0:
        return Comparison(matches=True, max_absolute=absolute, max_relative=relative)
    reason = f"{wrong} of {len(a)} {what}"
    return Comparison(False, name, reason, absolute, relative, "values")  # noqa: FBT003


def _agreement(
    primary: NDArray[Any], shadow: NDArray[Any], rule: Tolerance
) -> tuple[NDArray[np.bool_], float, float]:
    """Which values agree, and the largest differences."""
    a = primary.astype(np.float64)
    b = shadow.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        difference = _distance(primary, shadow) if primary.dtype.kind in "iu" else np.abs(a - b)
        finite = np.isfinite(difference)
        if rule.decimals is None:
            close = finite & (difference <= rule.absolute + rule.relative * np.abs(a))
        else:
            close = np.round(primary, rule.decimals) == np.round(shadow, rule.decimals)
        agrees = close | (primary == shadow) | (np.isnan(a) & np.isnan(b))
        absolute = float(np.max(difference, where=finite, initial=0.0))
        relative = float(np.max(difference / np.abs(a), where=finite & (a != 0), initial=0.0))
    return agrees, absolute, relative


def _rows(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Rows of the last dimension; one row where the shape does not fit the values."""
    fits = bool(shape) and shape[-1] > 0 and values.size % shape[-1] == 0
    return values.reshape(-1, shape[-1] if fits else max(values.size, 1))


def _other_tops(a: NDArray[Any], b: NDArray[Any], k: int) -> int:
    """Rows whose k largest values stand elsewhere; of equal values the first ones count as larger."""
    wrong = 0
    step = max(BLOCK // a.shape[1], 1)
    for start in range(0, len(a), step):
        other = _tops(a[start : start + step], k) != _tops(b[start : start + step], k)
        wrong += int(np.count_nonzero(other.any(axis=1)))
    return wrong


def _tops(rows: NDArray[Any], k: int) -> NDArray[Any]:
    if k == 1:
        first: NDArray[np.intp] = np.argmax(rows, axis=1, keepdims=True)
        return first
    order = np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1]
    tops: NDArray[np.intp] = np.sort(rows.shape[1] - 1 - order[:, :k], axis=1)
    return tops


def _distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """|a - b| of whole numbers, exact up to its own rounding: beyond 2^53 doubles are not."""
    modulo, other = a.astype(np.uint64), b.astype(np.uint64)
    return np.where(a < b, other - modulo, modulo - other).astype(np.float64)


def _single(values: Values) -> Any:
    """The one value, where it may be shown."""
    found = values.first(2) if isinstance(values, Texts) else values
    if len(found) != 1:
        return None
    if isinstance(found, list):
        return bytes(found[0]).decode("utf-8", "replace") if len(found[0]) <= MAX_LABEL else None
    value = found[0].item()
    return value if not isinstance(value, float) or math.isfinite(value) else str(value)


def _fails(kind: str, output: str, reason: str) -> Comparison:
    return Comparison(matches=False, output=output, reason=reason, kind=kind)
