"""What a peer may do in any number, because it is no attack; and what becomes of its streams where it is."""

from proxy.http2 import frames
from proxy.http2.connection import LOST
from tests.support.seen import ANSWER, REQUEST, REQUEST_BLOCK, Peer


def answered_early(number: int) -> bytes:
    return b"".join((
        frames.headers(number, b"\x88", end=False),
        frames.headers(number, b"\0\x0bgrpc-status\x010", end=True),
        frames.reset(number, 0),
    ))  # fmt: skip


def test_a_server_that_answers_early_and_resets_what_is_over_is_no_attacker() -> None:
    # nginx does so for every request whose end it has not seen
    peer = Peer(is_server=False)
    for _ in range(10_000):
        stream = peer.ours.open("owner")
        peer.ours.send_headers(stream, [REQUEST], end=True)
        peer.ours.receive(answered_early(stream.id), 0.0)
    assert peer.ours.failure == ""


def test_callers_whose_requests_are_answered_before_their_end_are_no_attackers() -> None:
    peer = Peer(is_server=True)
    for number in range(1, 20_000, 2):
        peer.ours.receive(frames.headers(number, REQUEST_BLOCK, end=False), 0.0)
        stream = peer.seen.streams[-1]
        peer.ours.send_headers(stream, [ANSWER], end=True)
        peer.ours.send_reset(stream, 0)
        peer.ours.receive(frames.frame(frames.DATA, frames.END_STREAM, number, b"x"), 0.0)
    assert peer.ours.failure == ""


def answers(number: int, interim: int) -> bytes:
    return b"".join((
        frames.headers(number, b"\0\x07:status\x03103", end=False) * interim,
        frames.headers(number, b"\x88", end=False),
        frames.headers(number, b"\0\x0bgrpc-status\x010", end=True),
    ))  # fmt: skip


def test_a_server_that_sends_word_before_each_answer_is_no_attacker() -> None:
    peer = Peer(is_server=False)
    for _ in range(10_000):
        stream = peer.ours.open("owner")
        peer.ours.send_headers(stream, [REQUEST], end=True)
        peer.ours.receive(answers(stream.id, 1), 0.0)
    assert peer.ours.failure == ""


def test_a_server_that_sends_word_without_end_is_left() -> None:
    peer = Peer(is_server=False)
    stream = peer.ours.open("owner")
    peer.ours.send_headers(stream, [REQUEST], end=True)
    peer.ours.receive(answers(stream.id, 1000), 0.0)
    assert "answers that answer nothing" in peer.ours.failure


def test_the_streams_of_a_server_that_breaks_the_rules_are_lost_and_have_no_code_of_ours() -> None:
    peer = Peer(is_server=False)
    peer.ours.send_headers(peer.ours.open("owner"), [REQUEST], end=True)
    peer.ours.receive(frames.frame(frames.SETTINGS, 0, 0) * 30, 0.0)
    assert peer.ours.failure
    assert peer.seen.resets == [LOST]
