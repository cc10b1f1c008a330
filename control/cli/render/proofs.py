"""How long proofs will take, as lines."""

from collections.abc import Sequence

from understudy.checks.numbers import seconds
from understudy.v1 import rollouts_pb2

from control.cli.render import figures


def render_proofs(proofs: Sequence[rollouts_pb2.ProofEstimate]) -> list[str]:
    """A line for each criterion."""
    return [f"proof of {each.require!r} on {each.arm}: {_cost(each)}{each.note}" for each in proofs]


def _cost(proof: rollouts_pb2.ProofEstimate) -> str:
    if not proof.HasField("calls"):
        return ""
    text = f"about {proof.calls} calls in {proof.stage}"
    if proof.HasField("at_present_rate"):
        text += f", {figures.clock(seconds(proof.at_present_rate))} at the present rate"
    return f"{text}; "
