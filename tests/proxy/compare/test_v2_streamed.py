"""Answers of ModelStreamInfer, as Triton wraps them and as MLServer does not."""

import struct

import pytest

from proxy.compare.answers import Answer, Comparison
from proxy.compare.comparison import compare
from proxy.policy.protocols import V2_MODEL_STREAM_INFER
from proxy.policy.table import Tolerance


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of the wire format."""
    assert len(content) < 128
    return bytes((number << 3 | 2, len(content))) + content


def response(score: float, version: bytes = b"1") -> bytes:
    """A ModelInferResponse with one output of one FP32."""
    output = field(1, b"score") + field(2, b"FP32") + field(3, b"\1")
    return field(1, b"fraud") + field(2, version) + field(5, output) + field(6, struct.pack("<f", score))


def bare(score: float, version: bytes = b"1") -> bytes:
    return response(score, version)


def wrapped(score: float, version: bytes = b"1") -> bytes:
    return field(2, response(score, version))


def held(primary: list[bytes], shadow: list[bytes]) -> Comparison:
    how = Tolerance(absolute=0.01)
    return compare(V2_MODEL_STREAM_INFER, Answer("OK", primary), Answer("OK", shadow), how)


@pytest.mark.parametrize("form", [bare, wrapped])
def test_close_predictions_match(form) -> None:
    found = held([form(0.5), form(0.25)], [form(0.5001, b"2"), form(0.25, b"2")])

    assert found.matches
    assert found.max_absolute == pytest.approx(0.0001, rel=1e-2)


@pytest.mark.parametrize("form", [bare, wrapped])
def test_different_predictions_do_not(form) -> None:
    found = held([form(0.5), form(0.25)], [form(0.5), form(0.75)])

    assert not found.matches
    assert found.output == "score"
    assert found.max_absolute == pytest.approx(0.5)


def test_an_error_message_is_no_prediction() -> None:
    error = field(1, b"out of memory")

    assert not held([wrapped(0.5)], [error]).matches
    assert not held([error], [field(1, b"no such model")]).matches
    assert held([error], [error]).matches


def test_the_empty_message_that_ends_a_decoupled_answer() -> None:
    assert held([wrapped(0.5), b""], [wrapped(0.5, b"2"), b""]).matches
