"""The code both ways, against the hpack package's."""

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given
from hypothesis import strategies as st

from proxy.http2.huffman import Malformed, decode, encode

ORACLE = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@given(st.binary(max_size=200))
def test_encodes_as_the_oracle(text: bytes) -> None:
    assert encode(text) == ORACLE.encode(text)


@given(st.binary(max_size=200))
def test_decodes_what_it_encodes(text: bytes) -> None:
    assert decode(encode(text)) == text


@given(st.binary(max_size=30) | st.binary(max_size=4).map(lambda tail: tail + b"\xff" * 4))
def test_refuses_what_the_oracle_refuses(text: bytes) -> None:
    try:
        expected = bytes(decode_huffman(text))
    except Exception:  # noqa: BLE001  # the oracle's own
        with pytest.raises(Malformed):
            decode(text)
    else:
        assert decode(text) == expected


@pytest.mark.parametrize("text", [b"\xff", b"\x1f\xff", b"\xff\xff\xff\xff", b"\x18"])
def test_padding_is_short_and_of_ones(text: bytes) -> None:
    with pytest.raises(Malformed):
        decode(text)
