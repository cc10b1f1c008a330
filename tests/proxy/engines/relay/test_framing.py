"""gRPC's messages within DATA."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from proxy.engines.relay import framing


def framed(message: bytes, *, compressed: bool = False) -> bytes:
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_messages_are_found_whole(found: list[bytes]) -> None:
    body = b"".join(map(framed, found))

    assert framing.messages(body, "", 10_000) == tuple(found)
    assert framing.count(body) == len(found)
    assert not found or framing.messages(body[:-1], "", 10_000) is None


def test_compressed_ones_are_inflated_within_a_bound() -> None:
    body = framed(gzip.compress(b"x" * 1000), compressed=True)

    assert framing.messages(body, "gzip", 1000) == (b"x" * 1000,)
    assert framing.messages(body, "gzip", 999) is None
    assert framing.beginning([body], "gzip", 10) == b"x" * 10


def test_the_first_message_shows_in_pieces() -> None:
    body = framed(b"hello")

    assert framing.first_message([body[:3]]) == (-1, 0)
    assert framing.first_message([body[:3], body[3:7]]) == (5, 2)
    assert framing.beginning([body[:3], body[3:]], "", 3) == b"hel"
