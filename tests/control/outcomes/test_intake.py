import pytest
from understudy.tickets import Ticket, encode
from understudy.v1.outcomes_pb2 import Outcome

from control.outcomes.intake import Kind, Known, Refused, Rules, judge

NOW = 1_790_000_000.0
SECRET = b"sixteen bytes or more"
TICKET = Ticket("fraud", "predict", "v2", "2.0.0", 3, 7, int((NOW - 60) * 1000), "n0nce", 5)


def judged(outcome: Outcome, rules: Rules = Rules()) -> Known | Refused:  # noqa: B008 - it is frozen
    return judge(outcome, rules, {"fraud"}.__contains__, NOW)


def ticket(secret: bytes = b"", **fields: object) -> str:
    return encode(TICKET._replace(**fields), secret)


SAYS = {
    "right": (Outcome(correct=True), Known(TICKET, Kind.VERDICT, correct=True)),
    "wrong": (Outcome(correct=False), Known(TICKET, Kind.VERDICT, correct=False)),
    "a score": (Outcome(score=0.5), Known(TICKET, Kind.SCORE, score=0.5)),
    "a label": (Outcome(label="cat"), Known(TICKET, Kind.VERDICT, label="cat")),
    "an empty label": (Outcome(label=""), Known(TICKET, Kind.VERDICT, label="")),
    "all about a label": (
        Outcome(label="cat", predicted="", output="animal"),
        Known(TICKET, Kind.VERDICT, label="cat", predicted="", output="animal"),
    ),
}


@pytest.mark.parametrize("case", SAYS)
def test_what_an_outcome_says(case):
    outcome, known = SAYS[case]
    outcome.ticket = ticket()
    assert judged(outcome) == known


DOES_NOT_COUNT = {
    "no ticket": (Outcome(ticket="", correct=True), "malformed"),
    "a long one": (Outcome(ticket="x" * 10_000, correct=True), "malformed"),
    "a name that is none": (Outcome(ticket=ticket(variant="No Name"), correct=True), "malformed"),
    "another service": (Outcome(ticket=ticket(service="other"), correct=True), "unknown_service"),
    "long ago": (Outcome(ticket=ticket(time_ms=int((NOW - 3601) * 1000)), correct=True), "too_old"),
    "not yet": (Outcome(ticket=ticket(time_ms=int((NOW + 301) * 1000)), correct=True), "in_the_future"),
    "nothing said": (Outcome(ticket=ticket()), "no_result"),
    "not a number": (Outcome(ticket=ticket(), score=float("nan")), "bad_score"),
    "infinite": (Outcome(ticket=ticket(), score=float("inf")), "bad_score"),
    "a long label": (Outcome(ticket=ticket(), label="x" * 257), "too_long"),
    "a long output": (Outcome(ticket=ticket(), label="x", output="x" * 257), "too_long"),
}


@pytest.mark.parametrize("case", DOES_NOT_COUNT)
def test_what_does_not_count_says_why(case):
    outcome, reason = DOES_NOT_COUNT[case]
    found = judged(outcome, Rules(horizon=3600))
    assert isinstance(found, Refused)
    assert found.reason == reason
    assert found.description


OTHER = ticket(SECRET, nonce="n2").partition(".")[2]
SIGNED = {
    "not at all": (ticket(), "unsigned"),
    "by somebody else": (ticket(b"some other secret"), "bad_signature"),
    "for another call": (f"{ticket()}.{OTHER}", "bad_signature"),
    "by the secret": (ticket(SECRET), ""),
    "by the one before": (ticket(b"the secret before it"), ""),
}


@pytest.mark.parametrize("case", SIGNED)
def test_a_ticket_must_be_signed_where_there_is_a_secret(case):
    text, reason = SIGNED[case]
    rules = Rules(secrets=(SECRET, b"the secret before it"))
    found = judged(Outcome(ticket=text, correct=True), rules)
    assert (found.reason if isinstance(found, Refused) else "") == reason


def test_without_a_secret_a_signed_ticket_is_taken_at_its_word():
    assert isinstance(judged(Outcome(ticket=ticket(SECRET), correct=True)), Known)
