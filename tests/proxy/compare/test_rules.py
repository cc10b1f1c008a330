"""The rules of a comparison beyond a tolerance, and what of a prediction may be recorded."""

import json
import struct

import numpy as np
import pytest

from proxy.compare.answers import Answer
from proxy.compare.comparison import compare, recorded
from proxy.compare.tensors import Tensor
from proxy.compare.tensors import compare as compare_tensors
from proxy.policy.protocols import V2_MODEL_INFER
from proxy.policy.table import Tolerance
from tests.support.predictions import ours

OURS = "/understudy.v1.PredictionService/Predict"


def rows(*values: list[float]) -> Tensor:
    return Tensor("FP32", (len(values), len(values[0])), np.array(values, "<f4").reshape(-1))


def agree(a: Tensor, b: Tensor, **rule: object) -> bool:
    return compare_tensors({"x": a}, {"x": b}, Tolerance(**rule)).matches


@pytest.mark.parametrize(
    ("shadow", "top_k", "matches"),
    [
        ([[0.7, 0.2, 0.1], [0.0, 0.5, 9.0]], 1, True),
        ([[0.7, 0.2, 0.1], [0.9, 0.5, 0.4]], 1, False),
        ([[0.5, 0.6, 0.1], [0.0, 0.5, 9.0]], 2, True),
        ([[0.5, 0.1, 0.6], [0.0, 0.5, 9.0]], 2, False),
        ([[9.0, 8.0, 7.0], [1.0, 2.0, 3.0]], 7, True),
    ],
)
def test_top_k_is_of_positions_row_by_row(shadow, top_k, matches):
    primary = rows([0.6, 0.3, 0.1], [0.1, 0.2, 0.7])
    assert agree(primary, rows(*shadow), top_k=top_k) == matches


def test_of_equal_values_the_first_count_as_larger():
    assert agree(rows([1.0, 1.0, 0.0]), rows([5.0, 1.0, 1.0]), top_k=2)
    assert not agree(rows([1.0, 1.0, 0.0]), rows([1.0, 0.0, 1.0]), top_k=2)


def test_decimals_are_rounded_to():
    assert agree(rows([0.1234, 2.0]), rows([0.1201, 2.004]), decimals=2)
    assert not agree(rows([0.126, 2.0]), rows([0.124, 2.0]), decimals=2)
    assert agree(rows([np.nan, np.inf]), rows([np.nan, np.inf]), decimals=2)


def test_an_output_s_own_rule_stands_in_place_of_the_general_one():
    how = Tolerance(absolute=9, per_output={"b": Tolerance()}, ignore_outputs=frozenset({"c"}))
    primary = {"a": rows([1.0]), "b": rows([1.0]), "c": rows([1.0])}
    assert compare_tensors(primary, {"a": rows([5.0]), "b": rows([1.0])}, how).matches
    found = compare_tensors(primary, {"a": rows([5.0]), "b": rows([1.5])}, how)
    assert (found.output, found.kind, found.max_absolute) == ("b", "values", 4.0)


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def response(*, inside: bytes = b"", outside: bytes = b"", version: bytes = b"1") -> Answer:
    output = field(1, b"x") + field(2, b"FP32") + field(3, b"\1") + inside
    return Answer("OK", (field(2, version) + outside + field(5, output) + field(6, struct.pack("<f", 1)),))


PARAMETER = field(4, field(1, b"took") + field(2, b"\x10\x07"))


@pytest.mark.parametrize("place", ["inside", "outside"])
def test_parameters_are_compared_unless_they_are_ignored(place):
    with_it, without = response(**{place: PARAMETER}), response(version=b"2")
    found = compare(V2_MODEL_INFER, with_it, without, Tolerance())
    assert (found.matches, found.outcome) == (False, "mismatch_parameters")
    for names in ({"took"}, {"*"}):
        how = Tolerance(ignore_parameters=frozenset(names))
        assert compare(V2_MODEL_INFER, with_it, without, how).matches


def test_named_outputs_are_all_that_is_compared():
    how = Tolerance(outputs=frozenset({"x"}))
    assert compare(V2_MODEL_INFER, response(outside=PARAMETER), response(), how).matches


@pytest.mark.parametrize(
    ("primary", "shadow", "outcome"),
    [
        (Answer("INTERNAL"), Answer("INTERNAL"), "match"),
        (Answer("OK", (b"a",)), Answer("INTERNAL"), "mismatch_status"),
        (Answer("OK", (b"a",)), Answer("OK", (b"a", b"b")), "mismatch_messages"),
        (Answer("OK", (b"a",)), Answer("OK", (b"b",)), "mismatch_bytes"),
    ],
)
def test_outcomes_name_the_kind(primary, shadow, outcome):
    assert compare("/any.S/M", primary, shadow, Tolerance()).outcome == outcome


def test_single_numbers_and_short_labels_are_recorded_only_where_asked():
    answer = Answer("OK", (ours(score=[0.5], label=["cat"], long=["x" * 65], many=[1.0, 2.0]),))
    assert recorded(OURS, answer, Tolerance()) == ""
    assert json.loads(recorded(OURS, answer, Tolerance(record_values=True))) == {"label": "cat", "score": 0.5}
    assert recorded("/any.S/M", answer, Tolerance(record_values=True)) == ""
