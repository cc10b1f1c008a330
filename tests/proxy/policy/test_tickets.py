import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.tickets import Ticket, decode, encode

TICKET = Ticket("fraud", "v2", "2.0.0", 1_767_225_600_000, "n0nce")
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(st.builds(Ticket, PRINTABLE, PRINTABLE, PRINTABLE, st.integers(0, 2**63), PRINTABLE))
def test_a_ticket_is_read_back_as_it_was_written(ticket):
    text = encode(ticket)
    assert decode(text) == ticket
    assert text.isascii()
    assert not set(text) & set("+/= \n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "=" * 8,
        "a" * 10_001,
        encode(TICKET) + "!!!",
        encode(TICKET) + "=",
        encode(TICKET)[:-1],
        " " + encode(TICKET),
        base64.urlsafe_b64encode(b"2\nfraud\nv2\n2.0.0\n5\nn").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\nfraud\nv2\n2.0.0\nfive\nn").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\nfraud\nv2\n2.0.0\n 5\nn").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\nfraud\nv2\n2.0.0\n5_0\nn").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\nfraud\nv2\n5\nn").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\nfraud\nv2\n2.0.0\n5\nn\nmore").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\nfraud\nv2\n2.0.0\n" + b"9" * 5000 + b"\nn").decode().rstrip("="),
        base64.urlsafe_b64encode(b"1\n\xff\nv2\n2.0.0\n5\nn").decode().rstrip("="),
    ],
)
def test_what_is_no_ticket_is_none(text):
    assert decode(text) is None


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_hostile_text_is_none_or_exactly_what_we_would_have_written(text):
    ticket = decode(text)
    assert ticket is None or encode(ticket) == text
