"""Named arrays held together, against a naive oracle of exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.compare.tensors import Tensor, compare
from proxy.compare.texts import Texts
from proxy.policy.table import Tolerance


def numbers(values: list[float] | list[int], dtype: str = "f8", datatype: str = "T") -> Tensor:
    return Tensor(datatype, (len(values),), np.array(values, dtype))


def agree(a: float, b: float, dtype: str = "f8", *, absolute: float = 0.0, relative: float = 0.0) -> bool:
    return compare(
        {"x": numbers([a], dtype)}, {"x": numbers([b], dtype)}, Tolerance(absolute, relative)
    ).matches


def within(a: float, b: float, absolute: float, relative: float) -> bool:
    """The rule, in exact arithmetic."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(Fraction(a) - Fraction(b)) <= Fraction(absolute) + Fraction(relative) * abs(Fraction(a))


FLOATS = st.floats() | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324])
TOLERANCES = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 10)


def is_close_call(a: float, b: float, absolute: float, relative: float) -> bool:
    """Where doubles may round to the other side of the bound, or overflow on the way to it."""
    if not (math.isfinite(a) and math.isfinite(b)):
        return False
    distance = abs(Fraction(a) - Fraction(b))
    bound = Fraction(absolute) + Fraction(relative) * abs(Fraction(a))
    if max(distance, bound) > Fraction(1.7e308):
        return True
    return abs(distance - bound) <= max(distance, bound) / 2**50 + Fraction(1e-320)


@settings(max_examples=400)
@given(a=FLOATS, b=FLOATS, absolute=TOLERANCES, relative=TOLERANCES)
def test_numbers_agree_as_the_rule_says(a, b, absolute, relative):
    if not is_close_call(a, b, absolute, relative) or a == b:
        assert agree(a, b, absolute=absolute, relative=relative) == within(a, b, absolute, relative)


INTEGERS = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=300)
@given(
    a=INTEGERS,
    step=st.integers(-5, 5) | INTEGERS,
    absolute=st.integers(0, 6),
    dtype=st.sampled_from(["i8", "u8"]),
)
def test_whole_numbers_agree_exactly_also_beyond_2_53(a, step, absolute, dtype):
    low, high = (0, 2**64 - 1) if dtype == "u8" else (-(2**63), 2**63 - 1)
    a, b = max(a, low), min(max(a + step, low), high)
    assert agree(a, b, dtype, absolute=float(absolute)) == (abs(a - b) <= absolute)


@given(a=FLOATS, b=FLOATS)
def test_without_a_tolerance_only_equal_numbers_agree(a, b):
    assert agree(a, b) == (a == b or (math.isnan(a) and math.isnan(b)))


@pytest.mark.parametrize(
    ("a", "b", "relative", "agrees"),
    [
        (math.inf, math.inf, 0.0, True),
        (math.inf, 5.0, 0.5, False),
        (5.0, math.inf, 0.5, False),
        (math.inf, -math.inf, 0.5, False),
        (math.nan, 5.0, 0.5, False),
        (math.nan, math.nan, 0.0, True),
        (0.0, -0.0, 0.0, True),
        (100.0, 110.0, 0.1, True),
        (110.0, 100.0, 0.0909, False),  # relative to the primary, not to the larger of the two
        (100.0, 111.0, 0.1, False),
    ],
)
def test_the_tolerance_is_of_the_primary(a, b, relative, agrees):
    assert agree(a, b, relative=relative) is agrees


def test_the_largest_differences_are_kept_over_all_outputs():
    primary = {"a": numbers([100, 0, math.inf]), "b": numbers([1])}
    shadow = {"a": numbers([101, 5, math.inf]), "b": numbers([1.5])}
    found = compare(primary, shadow, Tolerance(absolute=10))
    assert found.matches
    assert (found.max_absolute, found.max_relative) == (5.0, 0.5)
    assert (found.output, found.reason) == ("", "")


def test_a_mismatch_says_in_which_output_and_how_many():
    found = compare({"a": numbers([1, 2, 3])}, {"a": numbers([1, 9, 9])}, Tolerance())
    assert (found.output, found.reason) == ("a", "2 of 3 values differ beyond the tolerance")
    assert (found.max_absolute, found.max_relative) == (7.0, 3.5)


def test_the_order_of_outputs_does_not_matter_and_the_first_by_name_is_named():
    primary = {"a": numbers([1]), "b": numbers([2]), "c": numbers([3])}
    shadow = {"c": numbers([0]), "a": numbers([1]), "b": numbers([0])}
    assert compare(primary, dict(reversed(primary.items())), Tolerance()).matches
    assert compare(primary, shadow, Tolerance()).output == "b"


def test_a_missing_output_is_a_mismatch_on_either_side():
    one, two = {"a": numbers([1])}, {"a": numbers([1]), "b": numbers([2])}
    assert compare(one, two, Tolerance()).reason == "is missing in the primary"
    assert compare(two, one, Tolerance()).reason == "is missing in the shadow"
    both = compare(one, one, Tolerance(outputs=frozenset({"a", "z"})))
    assert (both.matches, both.output, both.reason) == (False, "z", "is missing in both")


def test_only_the_outputs_asked_for_are_compared():
    primary, shadow = (
        {"a": numbers([1]), "b": numbers([2])},
        {"a": numbers([1]), "b": numbers([3]), "c": numbers([4])},
    )
    assert compare(primary, shadow, Tolerance(outputs=frozenset({"a"}))).matches
    assert not compare(primary, shadow, Tolerance(outputs=frozenset({"b"}))).matches


def test_shape_type_and_count_must_be_the_same():
    row, column = Tensor("T", (1, 2), np.ones(2)), Tensor("T", (2, 1), np.ones(2))
    assert compare({"a": row}, {"a": column}, Tolerance()).reason == "shape (1, 2) against (2, 1)"
    assert compare(
        {"a": numbers([1], datatype="X")}, {"a": numbers([1], datatype="Y")}, Tolerance()
    ).reason == ("type X against Y")
    short = Tensor("T", (1, 2), np.ones(1))
    assert compare({"a": row}, {"a": short}, Tolerance()).reason == "2 values against 1"


def test_text_and_truth_are_equal_or_not_whatever_the_tolerance():
    wide = Tolerance(absolute=1e9, relative=1e9)
    label, other = Tensor("BYTES", (1,), Texts.of([b"cat"])), Tensor("BYTES", (1,), Texts.of([b"dog"]))
    assert compare({"a": label}, {"a": Tensor("BYTES", (1,), Texts.of([b"cat"]))}, wide).matches
    found = compare({"a": label}, {"a": other}, wide)
    assert (found.matches, found.output, found.reason) == (False, "a", "values differ")
    assert not agree(True, False, "?", absolute=5)
    assert agree(True, True, "?")
    assert not compare({"a": label}, {"a": Tensor("BYTES", (1,), Texts.of([b"cat\0"]))}, wide).matches


def test_an_empty_output_agrees_with_an_empty_one():
    assert compare({"a": numbers([])}, {"a": numbers([])}, Tolerance()).matches
    assert compare({}, {}, Tolerance()).matches


def test_arrays_of_two_widths_of_one_type_agree():
    for low, high in (("u1", "i8"), ("f2", "f4"), ("u4", "i8"), ("u1", "u8")):
        assert compare({"a": numbers([1, 2], low)}, {"a": numbers([1, 2], high)}, Tolerance()).matches
        assert not compare({"a": numbers([1, 2], low)}, {"a": numbers([1, 4], high)}, Tolerance(1.5)).matches
