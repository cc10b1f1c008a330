"""TorchServe answers: JSON as predictions, anything else byte for byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.answers import Answer, Undecodable
from proxy.compare.comparison import compare, recorded
from proxy.compare.torchserve import MAX_BYTES, decode
from proxy.policy.protocols import TORCHSERVE_PREDICTIONS
from proxy.policy.table import Tolerance


def response(document: bytes) -> bytes:
    """PredictionResponse: prediction = 1."""
    size, length = len(document), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return b"\x0a" + length + bytes([size]) + document


def said(value: Any) -> bytes:
    return response(json.dumps(value).encode())


def outcome(primary: bytes, shadow: bytes, **rule) -> str:
    answers = Answer("OK", (primary,)), Answer("OK", (shadow,))
    return compare(TORCHSERVE_PREDICTIONS, *answers, Tolerance(**rule)).outcome


@pytest.mark.parametrize(
    ("primary", "shadow", "rule", "expected"),
    [
        ({"cat": 0.9, "dog": 0.1}, {"dog": 0.1, "cat": 0.9}, {}, "match"),
        ({"cat": 0.9}, {"cat": 0.901}, {"absolute": 0.01}, "match"),
        ({"cat": 0.9}, {"cat": 0.901}, {}, "mismatch_values"),
        ({"cat": 1}, {"cat": 1.0}, {}, "match"),
        ({"cat": 0.9}, {"dog": 0.9}, {}, "mismatch_missing"),
        ([0.1, 0.9], [0.2, 0.8], {"top_k": 1}, "match"),
        ([0.1, 0.9], [0.9, 0.1], {"top_k": 1}, "mismatch_values"),
        ([[1, 2], [3, 4]], [[1, 2, 3, 4]], {}, "mismatch_shape"),
        ({"label": "cat"}, {"label": "dog"}, {"absolute": 9}, "mismatch_values"),
        ({"label": "cat"}, {"label": 3}, {}, "mismatch_type"),
        ({"ok": True}, {"ok": 1}, {}, "mismatch_type"),
        ({"a": {"b": 1}, "t": 5}, {"a": {"b": 1}, "t": 6}, {"ignore_outputs": frozenset({"t"})}, "match"),
        ({"a": {"b": 1.0}}, {"a": {"b": 1.1}}, {"outputs": frozenset({"a.b"}), "absolute": 0.2}, "match"),
        ([{"label": "cat", "p": 0.9}], [{"label": "cat", "p": 0.91}], {"absolute": 0.1}, "match"),
        ([{"label": "cat"}, 1], [{"label": "cat"}, 2], {}, "mismatch_values"),
        (None, 0, {}, "mismatch_type"),
        ({}, [], {}, "mismatch_shape"),
        ({"id": 2**53 + 1}, {"id": 2**53}, {"absolute": 9}, "mismatch_values"),
        ({"id": [2**60, 1]}, {"id": [2**60, 1]}, {}, "match"),
        (0.31, 0.34, {"decimals": 1}, "match"),
    ],
)
def test_documents_are_compared_as_predictions(primary, shadow, rule, expected):
    assert outcome(said(primary), said(shadow), **rule) == expected


def test_spaces_and_escapes_make_no_difference():
    assert outcome(response(b'{"a":"\\u00e9"}'), response('{ "a" : "é" }'.encode())) == "match"


def test_nan_agrees_with_nan():
    assert outcome(response(b"[NaN, 1]"), response(b"[NaN,1]")) == "match"


@pytest.mark.parametrize(
    "document", [b"cat", b"\xff\xd8\xff", b"", b"[" * 100_000, b'{"a": 1e5', b"[1]" + b" " * MAX_BYTES]
)
def test_what_is_no_document_is_compared_byte_for_byte(document):
    with pytest.raises(Undecodable):
        decode(response(document))
    assert outcome(response(document), response(document)) == "match"
    assert outcome(response(document), response(document + b" ")) == "mismatch_bytes"


def test_what_may_be_recorded_is_the_single_values():
    answer = Answer("OK", (said({"label": "cat", "p": 0.5, "all": [1, 2]}),))
    found = json.loads(recorded(TORCHSERVE_PREDICTIONS, answer, Tolerance(record_values=True)))
    assert found == {"label": "cat", "p": 0.5}


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(DOCUMENTS)
def test_every_document_agrees_with_itself_written_otherwise(document):
    compact, spread = json.dumps(document).encode(), json.dumps(document, indent=3, sort_keys=True).encode()
    try:
        decode(response(compact))
    except Undecodable:
        return  # {"a": {"b": 1}, "a.b": 2}: two of one name
    assert outcome(response(compact), response(spread)) == "match"
