"""gRPC's messages within DATA."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from proxy.compare.answers import Answer
from proxy.engines.relay import framing


def framed(message: bytes, *, compressed: bool = False) -> bytes:
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_messages_are_found_whole(found: list[bytes]) -> None:
    body = b"".join(map(framed, found))

    assert framing.answer("OK", body, "") == Answer("OK", tuple(found))
    assert framing.count(body) == len(found)
    assert not found or framing.answer("OK", body[:-1], "") is None


def test_compressed_ones_stay_so_and_are_told_from_others() -> None:
    compressed = gzip.compress(b"x" * 1000)
    body = framed(compressed, compressed=True) + framed(b"plain")

    found = framing.answer("OK", body, "gzip")
    assert found == Answer("OK", (compressed, b"plain"), ("gzip", ""))
    assert framing.beginning([body], "gzip", 10) == b"x" * 10


def test_the_first_message_shows_in_pieces() -> None:
    body = framed(b"hello")

    assert framing.first_message([body[:3]]) == (-1, 0)
    assert framing.first_message([body[:3], body[3:7]]) == (5, 2)
    assert framing.beginning([body[:3], body[3:]], "", 3) == b"hel"
