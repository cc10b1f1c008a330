import subprocess
import sys

import pytest
from understudy.v1.prediction_pb2 import PredictResponse, Tensor

from proxy.compare.answers import PER_MESSAGE, Answer
from proxy.compare.comparison import compare
from proxy.policy.protocols import (
    TENSORFLOW_PREDICT,
    UNDERSTUDY_PREDICT,
    V2_MODEL_INFER,
    V2_MODEL_STREAM_INFER,
)
from proxy.policy.table import Tolerance

EXACT = Tolerance()


def ours(score: float, model: str = "m") -> bytes:
    outputs = [
        Tensor(name="label", strings=["cat"], shape=[1]),
        Tensor(name="score", doubles=[score], shape=[1]),
    ]
    return PredictResponse(model_name=model, outputs=outputs).SerializeToString()


def ok(*messages: bytes) -> Answer:
    return Answer("OK", messages)


def v2(value: int, model: bytes) -> bytes:
    """An INT64 output `y` of one raw value."""
    head = b"\x0a\x01y\x12\x05INT64\x1a\x01\x01"
    return (
        b"\x0a"
        + bytes([len(model)])
        + model
        + b"\x2a"
        + bytes([len(head)])
        + head
        + b"\x32\x08"
        + value.to_bytes(8, "little")
    )


@pytest.mark.parametrize(
    ("primary", "shadow", "reason"),
    [
        (Answer("OK"), Answer("UNAVAILABLE"), "status OK against UNAVAILABLE"),
        (Answer("NOT_FOUND"), Answer("OK", [b"x"]), "status NOT_FOUND against OK"),
        (Answer("NOT_FOUND"), Answer("INTERNAL"), "status NOT_FOUND against INTERNAL"),
        (Answer("NOT_FOUND"), Answer("NOT_FOUND"), ""),
        (Answer("INTERNAL", [b"a"]), Answer("INTERNAL", [b"b"]), ""),
        (Answer("OK"), Answer("OK"), ""),
        (Answer("OK", [b"a"]), Answer("OK", (b"a",)), ""),
        (Answer("OK", [b"a"]), Answer("OK", [b"b"]), "bytes differ"),
        (Answer("OK", [b"a"]), Answer("OK", [b"a", b"b"]), "1 messages against 2"),
        (Answer("OK", []), Answer("OK", [b""]), "0 messages against 1"),
    ],
)
def test_status_first_then_the_messages(primary, shadow, reason):
    for method in ("/a.B/C", UNDERSTUDY_PREDICT, V2_MODEL_INFER):
        found = compare(method, primary, shadow, EXACT)
        assert found.matches is (reason == "")
        if not found.matches and "bytes" not in reason:
            assert found.reason == reason
    assert compare("/a.B/C", primary, shadow, EXACT).reason == reason


def test_our_own_predictions_are_compared_by_their_outputs():
    tolerant = Tolerance(absolute=0.01)
    assert compare(UNDERSTUDY_PREDICT, ok(ours(0.5, "v1")), ok(ours(0.505, "v2")), tolerant).matches
    found = compare(UNDERSTUDY_PREDICT, ok(ours(0.5)), ok(ours(0.75)), tolerant)
    assert (found.output, found.max_absolute, found.max_relative) == ("score", 0.25, 0.5)
    assert compare(
        UNDERSTUDY_PREDICT, ok(ours(0.5)), ok(ours(9)), Tolerance(outputs=frozenset({"label"}))
    ).matches


def test_v2_predictions_are_compared_by_their_outputs():
    assert compare(V2_MODEL_INFER, ok(v2(7, b"m1")), ok(v2(7, b"model-2")), EXACT).matches
    found = compare(V2_MODEL_INFER, ok(v2(7, b"m")), ok(v2(8, b"m")), EXACT)
    assert (found.output, found.reason) == ("y", "1 of 1 values differ beyond the tolerance")


@pytest.mark.parametrize("method", [TENSORFLOW_PREDICT, "/a.B/C", UNDERSTUDY_PREDICT.lower()])
def test_other_methods_are_compared_byte_for_byte(method):
    found = compare(method, ok(ours(0.5, "a")), ok(ours(0.5, "b")), Tolerance(absolute=9))
    assert (found.matches, found.reason) == (False, "bytes differ")


@pytest.mark.parametrize("method", [UNDERSTUDY_PREDICT, V2_MODEL_INFER])
def test_what_cannot_be_decoded_is_compared_byte_for_byte(method):
    good = ours(1) if method == UNDERSTUDY_PREDICT else v2(1, b"m")
    for bad in (b"\xff\xff", b"\x2a\xff"):
        assert compare(method, ok(bad), ok(bad), EXACT).matches
        for pair in ((good, bad), (bad, good), (bad, bad + b"\0")):
            found = compare(method, ok(pair[0]), ok(pair[1]), EXACT)
            assert (found.matches, found.reason) == (False, "bytes differ")


def test_streamed_predictions_are_compared_one_by_one_and_the_first_that_fails_is_named():
    def stream(*values: int) -> Answer:
        return ok(*(b"\x12" + bytes([len(one)]) + one for one in (v2(value, b"m") for value in values)))

    assert compare(V2_MODEL_STREAM_INFER, stream(1, 2), stream(1, 2), EXACT).matches
    unary = [ok(ours(0.5), ours(1.0)), ok(ours(0.5), ours(3.0))]
    found = compare(UNDERSTUDY_PREDICT, *unary, EXACT)
    assert (found.matches, found.output, found.max_absolute) == (False, "score", 2.0)
    found = compare(UNDERSTUDY_PREDICT, ok(ours(1), ours(1)), ok(ours(2), ours(9)), EXACT)
    assert found.max_absolute == 8.0


def test_streamed_v2_answers_within_the_tolerance_agree_though_their_bytes_differ():
    """ModelStreamInferResponse: error_message = 1, infer_response = 2."""
    one, two = (b"\x12" + bytes([len(inner)]) + inner for inner in (v2(7, b"m1"), v2(8, b"m2")))
    assert compare(V2_MODEL_STREAM_INFER, ok(one), ok(two), Tolerance(absolute=1)).matches
    found = compare(V2_MODEL_STREAM_INFER, ok(one), ok(two), EXACT)
    assert (found.matches, found.output) == (False, "y")


def test_an_answer_knows_its_size():
    assert Answer("OK", [b"abcde"]).size == 5
    assert Answer("OK", [b"abc", b"", b"de"]).size == 5 + 2 * PER_MESSAGE
    assert Answer("OK").size == 0


def test_numpy_comes_with_the_first_comparison_not_with_the_import():
    code = "import sys, proxy.compare.comparison; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_event_loop_compares_what_is_small_and_never_imports_numpy():
    code = """
import sys
from proxy.compare.answers import Answer
from proxy.compare.comparison import THREAD_BYTES, compare, is_quick
from proxy.policy.table import Tolerance

method, exact = "/inference.GRPCInferenceService/ModelInfer", Tolerance()
one, other = Answer("OK", (b"",)), Answer("OK", (b"\\x0a\\x01m",))
large = Answer("OK", (bytes(THREAD_BYTES + 1),))
quick = lambda *answers: is_quick(method, *answers, exact)
cold = [quick(one, one), quick(one, other), quick(large, one), is_quick("/other/Method", one, other, exact)]
assert cold == [True, False, False, True], cold
assert not is_quick(method, one, one, Tolerance(record_values=True))
compare(method, one, one, exact)
assert "numpy" not in sys.modules
compare(method, one, other, exact)
assert [quick(one, one), quick(one, other), quick(large, one)] == [True, True, False]
"""
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
