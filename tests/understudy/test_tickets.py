import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.tickets import Ticket, decode, encode, is_signed, is_signed_by

TICKET = Ticket("fraud", "predict", "v2", "2.0.0", 3, 7, 1_767_225_600_000, "n0nce", 5)
SECRET = b"a secret of some length"
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


WHOLE = st.integers(0, 2**63 - 1)
TICKETS = st.builds(
    Ticket,
    PRINTABLE,
    PRINTABLE,
    PRINTABLE,
    PRINTABLE,
    WHOLE,
    WHOLE,
    WHOLE,
    PRINTABLE,
    st.none() | st.integers(0, 63),
)


@given(TICKETS, st.just(b"") | st.binary(min_size=1))
def test_a_ticket_is_read_back_as_it_was_written(ticket, secret):
    text = encode(ticket, secret)
    assert decode(text) == ticket
    assert text.isascii()
    assert not set(text) & set("+/= \n")
    assert is_signed(text) == bool(secret)


def test_a_ticket_is_signed_by_its_secret_and_no_other():
    text = encode(TICKET, SECRET)
    assert is_signed_by(text, [b"an older secret", SECRET])
    assert not is_signed_by(text, [b"an older secret"])
    assert not is_signed_by(encode(TICKET), [SECRET])
    assert not is_signed_by(text, [])


@given(TICKETS)
def test_a_signature_is_of_one_ticket_only(other):
    signature = encode(TICKET, SECRET).partition(".")[2]
    assert is_signed_by(f"{encode(other)}.{signature}", [SECRET]) == (other == TICKET)


def raw(text):
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


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
        encode(TICKET) + ".",
        encode(TICKET)[:-1],
        " " + encode(TICKET),
        encode(TICKET, SECRET)[1:],
        raw(b"1\nfraud\nv2\n2.0.0\n5\nn"),
        raw(b"3\nfraud\np\nv2\n2.0.0\n3\n7\n5\n9\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n64\n9\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\nfive\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\n 5\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n-7\n5\n5\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\n5_0\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\n9\nn\nmore"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\n" + b"9" * 2000 + b"\nn"),
        raw(b"2\nfraud\np\nv2\n2.0.0\n3\n7\n5\n" + b"9" * 19 + b"\nn"),
        raw(b"2\n\xff\np\nv2\n2.0.0\n3\n7\n5\n9\nn"),
    ],
)
def test_what_is_no_ticket_is_none(text):
    assert decode(text) is None


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_hostile_text_is_none_or_exactly_what_we_would_have_written(text):
    ticket = decode(text)
    assert ticket is None or encode(ticket) == text.partition(".")[0]
