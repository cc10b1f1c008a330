"""What a peer may still send when a stream is over, and what becomes of one that counts no windows."""

import pytest

from proxy.http2 import errors, frames
from proxy.http2.settings import STREAM_WINDOW, STREAMS
from tests.support.seen import ANSWER, REQUEST, REQUEST_BLOCK, Peer

PART = 16384
WINDOW = frames.frame(frames.DATA, 0, 1, bytes(PART)) * (STREAM_WINDOW // PART)
ONE_MORE = frames.frame(frames.DATA, 0, 1, b"x")


def over(peer: Peer, how: str) -> int:
    """A stream that ended while its request came; its number."""
    if how == "refused":
        for number in range(1, 2 * STREAMS + 2, 2):
            peer.ours.receive(frames.headers(number, REQUEST_BLOCK, end=False), 0.0)
        return 2 * STREAMS + 1
    if how == "ignored":
        peer.ours.leave(last=True)
    peer.ours.receive(frames.headers(1, REQUEST_BLOCK, end=False), 0.0)
    if how == "answered":
        peer.ours.send_headers(peer.seen.streams[0], [ANSWER], end=True)
        peer.ours.send_reset(peer.seen.streams[0], errors.NO_ERROR)
    if how == "at fault":
        peer.ours.receive(frames.headers(1, REQUEST_BLOCK, end=False), 0.0)
    return 1


@pytest.mark.parametrize("how", ["answered", "at fault", "refused", "ignored"])
def test_what_was_under_way_when_a_stream_ended_is_ignored_up_to_its_window(how: str) -> None:
    peer = Peer(is_server=True)
    number = over(peer, how)

    peer.ours.receive(frames.frame(frames.DATA, 0, number, bytes(PART)) * (STREAM_WINDOW // PART), 0.0)
    assert peer.ours.failure == ""

    peer.ours.receive(frames.frame(frames.DATA, 0, number, b"x"), 0.0)
    assert "windows" in peer.ours.failure


def test_a_caller_that_sends_more_than_a_stream_s_window_is_sent_away() -> None:
    peer = Peer(is_server=True)
    peer.ours.receive(frames.headers(1, REQUEST_BLOCK, end=False) + WINDOW, 0.0)
    assert peer.ours.failure == ""

    peer.ours.receive(ONE_MORE, 0.0)
    assert "window" in peer.ours.failure


def test_a_caller_that_goes_on_with_a_stream_that_it_has_reset_is_sent_away() -> None:
    peer = Peer(is_server=True)
    begun = frames.headers(1, REQUEST_BLOCK, end=False) + frames.reset(1, errors.CANCEL)
    peer.ours.receive(begun + ONE_MORE, 0.0)
    assert "windows" in peer.ours.failure


def test_a_model_server_that_sends_more_than_a_window_loses_that_stream_alone() -> None:
    peer = Peer(is_server=False)
    first, other = peer.ours.open("owner"), peer.ours.open("other")
    for stream in (first, other):
        peer.ours.send_headers(stream, [REQUEST], end=True)
    peer.ours.receive(frames.headers(1, b"\x88", end=False) + WINDOW + ONE_MORE + WINDOW, 0.0)

    assert peer.ours.failure == ""
    assert list(peer.ours.streams.values()) == [other]
    assert peer.seen.resets == [errors.FLOW_CONTROL_ERROR]
