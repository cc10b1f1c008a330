"""The beginning of a compressed message, or all of it: found whole, bounded, and never a surprise."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1.prediction_pb2 import PredictRequest

from proxy.policy.inflating import PIECE, NotInflatable, inflate, pieces
from proxy.policy.protocols import UNDERSTUDY_PREDICT
from proxy.policy.sticky import Sticky

COMPRESS = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes, "": bytes}


@given(st.sampled_from(sorted(COMPRESS)), st.binary(max_size=3000), st.integers(1, 4000))
def test_the_first_bytes_come_out(encoding: str, message: bytes, limit: int) -> None:
    assert inflate(encoding, COMPRESS[encoding](message), limit) == message[:limit]


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=200), st.integers(1, 1000))
def test_no_bytes_are_a_surprise(encoding: str, message: bytes, limit: int) -> None:
    found = inflate(encoding, message, limit)

    assert found is None or len(found) <= limit


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_gives_no_more_than_was_asked_for(encoding: str) -> None:
    bomb = COMPRESS[encoding](bytes(50_000_000))

    assert inflate(encoding, bomb, 1000) == bytes(1000)


def test_empty_blocks_without_an_end_are_read_only_so_far() -> None:
    empty_blocks = zlib.compress(b"")[:2] + b"\x00\x00\x00\xff\xff" * 4_000_000

    assert inflate("deflate", empty_blocks + b"\x07", 1000) == b""


def test_what_is_cut_short_gives_what_there_is() -> None:
    whole = gzip.compress(b"x" * 100)

    assert inflate("gzip", whole[:-4], 1000) == b"x" * 100


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=300), st.integers(1, 4000))
def test_all_of_it_comes_out_in_pieces(encoding: str, message: bytes, times: int) -> None:
    found = list(pieces(encoding, COMPRESS[encoding](message * times)))

    assert b"".join(found) == message * times
    assert all(0 < len(piece) <= PIECE for piece in found)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_inflated_no_further_than_it_is_asked_to(encoding: str) -> None:
    coming = pieces(encoding, COMPRESS[encoding](bytes(50_000_000)))

    assert next(coming) == bytes(PIECE)


@given(st.sampled_from(["gzip", "deflate"]), st.binary(min_size=1, max_size=2000), st.data())
def test_what_is_cut_short_is_not_taken_for_whole(encoding: str, message: bytes, data: st.DataObject) -> None:
    whole = COMPRESS[encoding](message)
    kept = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(NotInflatable):
        list(pieces(encoding, whole[:kept]))


@pytest.mark.parametrize("encoding", ["zstd", "GZIP", "identity", ""])
def test_what_is_not_known_cannot_be_inflated(encoding: str) -> None:
    with pytest.raises(NotInflatable):
        list(pieces(encoding, b"anything"))


@pytest.mark.parametrize("encoding", ["zstd", "GZIP", "snappy"])
def test_an_encoding_that_is_not_known_gives_nothing(encoding: str) -> None:
    assert inflate(encoding, b"anything", 1000) is None


def test_a_key_in_a_compressed_message_is_found_and_one_beyond_the_bound_is_known_to_be() -> None:
    sticky = Sticky((), payload=True, max_bytes=1000)
    early = PredictRequest(user_id="ann", request_id="r" * 5000).SerializeToString()
    late = PredictRequest(model_name="m" * 5000, user_id="ann").SerializeToString()

    def read(message: bytes) -> tuple[bytes | None, bool]:
        found = inflate("gzip", gzip.compress(message), sticky.max_bytes + 1)
        assert found is not None
        key = sticky.from_payload(UNDERSTUDY_PREDICT, found)
        return key, sticky.is_cut_short(UNDERSTUDY_PREDICT, found)

    assert read(early)[0] == b"ann"
    assert read(late) == (None, True)
