"""From two answers to what a comparison found."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.compare.answers import ALIKE, Answer, Comparison, Undecodable
from proxy.compare.texts import same_bytes
from proxy.policy.protocols import PREDICT, V2_MODEL_STREAM_INFER, Protocol
from proxy.policy.table import Tolerance

if TYPE_CHECKING:
    from proxy.compare.tensors import Prediction

THREAD_BYTES = 16 * 1024
"""Answers larger than this together are not compared on the event loop."""


def is_quick(method: str, primary: Answer, shadow: Answer, tolerance: Tolerance) -> bool:
    """Whether the event loop may do it: there is little to read, and numpy need not be imported first."""
    if primary.size + shadow.size > THREAD_BYTES:
        return False
    if method not in PREDICT or hasattr(sys.modules.get("proxy.compare.v2"), "decode"):
        return True
    return list(primary.messages) == list(shadow.messages) and not tolerance.record_values


def compare(method: str, primary: Answer, shadow: Answer, tolerance: Tolerance) -> Comparison:
    """Hold a shadow's answer against the primary's: first how they ended, then what they said."""
    if primary.code != shadow.code:
        reason = f"status {primary.code} against {shadow.code}"
        return Comparison(matches=False, reason=reason, kind="status")
    if primary.code != "OK":
        return ALIKE
    if len(primary.messages) != len(shadow.messages):
        reason = f"{len(primary.messages)} messages against {len(shadow.messages)}"
        return Comparison(matches=False, reason=reason, kind="messages")
    if all(map(same_bytes, primary.messages, shadow.messages)):
        return ALIKE
    if method in PREDICT:
        pairs = zip(primary.messages, shadow.messages, strict=True)
        try:
            return _worst([_compare_predictions(method, *pair, tolerance) for pair in pairs])
        except Undecodable:
            pass
    return Comparison(matches=False, reason="bytes differ", kind="bytes")


def recorded(method: str, answer: Answer, tolerance: Tolerance) -> str:
    """What an answer of one message predicted, as far as it may be recorded; else empty."""
    if not tolerance.record_values or method not in PREDICT or len(answer.messages) != 1:
        return ""
    from proxy.compare import tensors  # noqa: PLC0415  # numpy comes with the first comparison

    try:
        return tensors.recorded(_decode(method, answer.messages[0]), tolerance)
    except Undecodable:
        return ""


def _compare_predictions(
    method: str, primary: bytes | memoryview, shadow: bytes | memoryview, tolerance: Tolerance
) -> Comparison:
    from proxy.compare import tensors, v2  # noqa: PLC0415  # numpy comes with the first comparison

    found = tensors.compare(_decode(method, primary), _decode(method, shadow), tolerance)
    if PREDICT[method] is not Protocol.V2 or tolerance.outputs:
        return found
    if method == V2_MODEL_STREAM_INFER:
        ours, theirs = v2.parameters(v2.unwrapped(primary)), v2.parameters(v2.unwrapped(shadow))
    else:
        ours, theirs = v2.parameters(primary), v2.parameters(shadow)
    return _worst([found, tensors.compare_parameters("", ours, theirs, tolerance)])


def _decode(method: str, message: bytes | memoryview) -> "Prediction":
    from proxy.compare import tensorflow, torchserve, understudy_v1, v2  # noqa: PLC0415  # numpy comes with them

    match PREDICT[method]:
        case Protocol.UNDERSTUDY:
            return understudy_v1.decode(message)
        case Protocol.V2:
            return v2.decode(v2.unwrapped(message) if method == V2_MODEL_STREAM_INFER else message)
        case Protocol.TENSORFLOW:
            return tensorflow.decode(message)
        case Protocol.TORCHSERVE:
            return torchserve.decode(message)


def _worst(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison for all messages of an answer: the first that fails, with the largest differences."""
    first = next((one for one in comparisons if not one.matches), comparisons[0])
    absolute = max(one.max_absolute for one in comparisons)
    relative = max(one.max_relative for one in comparisons)
    return Comparison(first.matches, first.output, first.reason, absolute, relative, first.kind)
