"""The outcome of a comparison, and the way from two answers to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.policy.protocols import PREDICT, V2_MODEL_STREAM_INFER, Protocol
from proxy.policy.table import Tolerance

THREAD_BYTES = 128 * 1024
"""Answers larger than this together are compared off the event loop."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended: its status code's name, and the messages that came before it."""

    code: str
    messages: Sequence[bytes] = ()

    @property
    def size(self) -> int:
        """Bytes of all messages."""
        return sum(map(len, self.messages))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two predictions agree; if not, in which output and why.

    The differences are the largest seen between numbers: absolute, and relative to the primary's.
    """

    matches: bool
    output: str = ""
    reason: str = ""
    max_absolute: float = 0.0
    max_relative: float = 0.0


class Undecodable(Exception):
    """A message that is not what its protocol says; the answers are then compared byte for byte."""


def compare(method: str, primary: Answer, shadow: Answer, tolerance: Tolerance) -> Comparison:
    """Hold a shadow's answer against the primary's."""
    if primary.code != shadow.code:
        return Comparison(matches=False, reason=f"status {primary.code} against {shadow.code}")
    if primary.code != "OK" or list(primary.messages) == list(shadow.messages):
        return Comparison(matches=True)
    if len(primary.messages) != len(shadow.messages):
        return Comparison(
            matches=False, reason=f"{len(primary.messages)} messages against {len(shadow.messages)}"
        )
    protocol = PREDICT.get(method)
    if protocol in (Protocol.UNDERSTUDY, Protocol.V2):
        pairs = zip(primary.messages, shadow.messages, strict=True)
        try:
            return _worst([_compare_predictions(method, *pair, tolerance) for pair in pairs])
        except Undecodable:
            pass
    return Comparison(matches=False, reason="bytes differ")


def _compare_predictions(method: str, primary: bytes, shadow: bytes, tolerance: Tolerance) -> Comparison:
    from proxy.compare import tensors, understudy_v1, v2  # noqa: PLC0415  # numpy comes with the first comparison

    if PREDICT[method] is Protocol.UNDERSTUDY:
        decode = understudy_v1.decode
    else:
        decode = v2.decode_streamed if method == V2_MODEL_STREAM_INFER else v2.decode
    return tensors.compare(decode(primary), decode(shadow), tolerance)


def _worst(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison for all messages of an answer: the first that fails, with the largest differences."""
    first = next((one for one in comparisons if not one.matches), comparisons[0])
    return Comparison(
        first.matches,
        first.output,
        first.reason,
        max(one.max_absolute for one in comparisons),
        max(one.max_relative for one in comparisons),
    )
