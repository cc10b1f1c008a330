"""Which outcomes count: those with a ticket of ours, within the horizon, that say something.

What an accepted outcome counts for is settled in the store, where it is known whether it came before.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from understudy.checks.names import check_name
from understudy.tickets import Ticket, decode, is_signed, is_signed_by
from understudy.v1 import outcomes_pb2

DEFAULT_HORIZON = 7 * 24 * 3600.0
AHEAD = 300.0
"""Seconds that a sidecar's clock may be ahead of ours."""

LONGEST_TEXT = 256
"""Characters of a label."""


class Kind(StrEnum):
    """What an outcome says; one of each kind counts for a call."""

    VERDICT = "verdict"  # right or wrong, or what would have been right
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Known:
    """An outcome that counts, if it is the first of its kind for this call."""

    ticket: Ticket
    kind: Kind
    correct: bool | None = None  # None: to be found out by the label
    score: float = 0.0
    label: str | None = None
    predicted: str | None = None
    output: str = ""

    @property
    def identity(self) -> tuple[int, str, str, str]:
        return self.ticket.time_ms, self.ticket.nonce, self.ticket.service, self.kind


@dataclass(frozen=True, slots=True)
class Refused:
    """An outcome that does not count, and why."""

    reason: str
    description: str


@dataclass(frozen=True, slots=True)
class Rules:
    """`horizon` in seconds; without secrets every ticket is taken at its word."""

    horizon: float = DEFAULT_HORIZON
    secrets: Sequence[bytes] = ()


def judge(
    outcome: outcomes_pb2.Outcome, rules: Rules, is_service: Callable[[str], bool], now: float
) -> Known | Refused:
    """Whether an outcome counts; `now` in seconds since 1970."""
    ticket = decode(outcome.ticket)
    if ticket is None or check_name(ticket.variant, "variant"):
        return Refused("malformed", "the ticket is not one that a sidecar writes")
    if rules.secrets and not is_signed_by(outcome.ticket, rules.secrets):
        return _not_ours(outcome.ticket)
    if not is_service(ticket.service):
        return Refused("unknown_service", f"no service is called {ticket.service!r}")
    return _mistimed(ticket, rules, now) or _result(outcome, ticket)


def _not_ours(ticket: str) -> Refused:
    if is_signed(ticket):
        return Refused("bad_signature", "the ticket is not signed by a secret of ours")
    return Refused("unsigned", "the ticket is not signed; give the sidecars ticket_secret_file")


def _mistimed(ticket: Ticket, rules: Rules, now: float) -> Refused | None:
    age = now - ticket.time_ms / 1000
    if age > rules.horizon:
        return Refused("too_old", f"the call was {age:.0f}s ago, the horizon is {rules.horizon:.0f}s")
    if age < -AHEAD:
        return Refused("in_the_future", f"the call is {-age:.0f}s ahead of the control service's clock")
    return None


def _result(outcome: outcomes_pb2.Outcome, ticket: Ticket) -> Known | Refused:
    match outcome.WhichOneof("result"):
        case "correct":
            return Known(ticket, Kind.VERDICT, correct=outcome.correct)
        case "score" if math.isfinite(outcome.score):
            return Known(ticket, Kind.SCORE, score=outcome.score)
        case "score":
            return Refused("bad_score", f"a score must be a finite number, got {outcome.score}")
        case "label":
            if max(map(len, (outcome.label, outcome.predicted, outcome.output))) > LONGEST_TEXT:
                text = f"label, predicted and output may have {LONGEST_TEXT} characters each"
                return Refused("too_long", text)
            predicted = outcome.predicted if outcome.HasField("predicted") else None
            return Known(
                ticket, Kind.VERDICT, label=outcome.label, predicted=predicted, output=outcome.output
            )
        case _:
            return Refused("no_result", "must say correct, score or label")
