"""Named arrays, and when two sets of them agree.

Outputs are matched by name, in any order. Numbers agree when `|a - b| <= absolute + relative * |primary|`;
NaN agrees with NaN and an infinity with the same infinity only. Text, bytes and truth values agree when they
are equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxy.compare.comparison import Comparison
from proxy.policy.table import Tolerance

Values = NDArray[Any] | list[bytes]
"""Numbers, or what has no tolerance."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A shape, a data type's name and the values in row-major order."""

    datatype: str
    shape: tuple[int, ...]
    values: Values


Prediction = Mapping[str, Tensor]


def compare(primary: Prediction, shadow: Prediction, tolerance: Tolerance) -> Comparison:
    """Hold two predictions together, over the outputs that the tolerance names or over all."""
    names = sorted(tolerance.outputs or (primary.keys() | shadow.keys()))
    failed: Comparison | None = None
    max_absolute = max_relative = 0.0
    for name in names:
        one = _compare_output(name, primary.get(name), shadow.get(name), tolerance)
        max_absolute = max(max_absolute, one.max_absolute)
        max_relative = max(max_relative, one.max_relative)
        failed = failed or (None if one.matches else one)
    output, reason = (failed.output, failed.reason) if failed else ("", "")
    return Comparison(failed is None, output, reason, max_absolute, max_relative)


def _compare_output(
    name: str, primary: Tensor | None, shadow: Tensor | None, tolerance: Tolerance
) -> Comparison:
    if primary is None or shadow is None:
        side = "both" if primary is shadow else "the primary" if primary is None else "the shadow"
        return Comparison(matches=False, output=name, reason=f"is missing in {side}")
    if primary.shape != shadow.shape:
        return Comparison(matches=False, output=name, reason=f"shape {primary.shape} against {shadow.shape}")
    if primary.datatype != shadow.datatype:
        reason = f"type {primary.datatype} against {shadow.datatype}"
        return Comparison(matches=False, output=name, reason=reason)
    a, b = primary.values, shadow.values
    if not isinstance(a, list) and not isinstance(b, list) and a.dtype.kind != "b":
        return _compare_numbers(name, a, b, tolerance)
    same = a == b if isinstance(a, list) or isinstance(b, list) else bool(np.array_equal(a, b))
    return Comparison(same, output="" if same else name, reason="" if same else "values differ")


def _compare_numbers(
    name: str, primary: NDArray[Any], shadow: NDArray[Any], tolerance: Tolerance
) -> Comparison:
    if primary.size != shadow.size:
        reason = f"{primary.size} values against {shadow.size}"
        return Comparison(matches=False, output=name, reason=reason)
    a = primary.astype(np.float64)
    b = shadow.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        difference = _distance(primary, shadow) if primary.dtype.kind in "iu" else np.abs(a - b)
        bound = tolerance.absolute + tolerance.relative * np.abs(a)
        finite = np.isfinite(difference)
        agrees = (finite & (difference <= bound)) | (primary == shadow) | (np.isnan(a) & np.isnan(b))
        absolute = float(np.max(difference, where=finite, initial=0.0))
        relative = float(np.max(difference / np.abs(a), where=finite & (a != 0), initial=0.0))
    wrong = int(np.count_nonzero(~agrees))
    if wrong == 0:
        return Comparison(True, max_absolute=absolute, max_relative=relative)  # noqa: FBT003
    reason = f"{wrong} of {primary.size} values differ beyond the tolerance"
    return Comparison(False, name, reason, absolute, relative)  # noqa: FBT003


def _distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """|a - b| of whole numbers, exact up to its own rounding: beyond 2^53 doubles are not."""
    modulo, other = a.astype(np.uint64), b.astype(np.uint64)
    return np.where(a < b, other - modulo, modulo - other).astype(np.float64)
