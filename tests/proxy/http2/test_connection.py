"""A connection against the h2 package as its peer, on either side, over bytes in any pieces."""

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http2 import frames
from proxy.http2.connection import Connection
from proxy.http2.fields import Block, Run
from proxy.http2.settings import CONNECTION_WINDOW, STREAM_WINDOW
from proxy.http2.stream import Stream
from tests.support.raw_frames import split

REQUEST = Run(
    ((":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":authority", "x"), ("te", "trailers"))
)
ANSWER = Run(((":status", "200"), ("content-type", "application/grpc")))
TRAILERS = Run((("grpc-status", "0"),))
AT_ONCE = 2
"""Frames; whatever more a read brings is looked at by and by."""

PIECES = st.lists(st.integers(1, 40), min_size=1, max_size=8)


class Seen:
    """Keeps what came."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.streams: list[Stream] = []

    def headers_came(self, stream: Stream, block: Block, *, ended: bool) -> None:
        self.streams.append(stream)
        self.log.append(("headers", stream.id, block.fields(), ended))

    def data_came(self, stream: Stream, payload: bytes, *, ended: bool) -> None:
        self.log.append(("data", stream.id, payload, ended))

    def reset_came(self, stream: Stream, code: int) -> None:
        self.log.append(("reset", stream.id, code))

    def settings_came(self) -> None:
        self.log.append("settings")

    def went_away(self, code: int) -> None:
        self.log.append(("away", code))

    def ping_answered(self) -> None:
        self.log.append("pong")

    def of(self, kind: str) -> list[Any]:
        return [one for one in self.log if one[0] == kind]


class Pair:
    """Our connection, and h2's."""

    def __init__(self, *, is_server: bool, pieces: list[int] | None = None) -> None:
        self.seen = Seen()
        self.dirty: list[Any] = []
        self.ours = Connection(self.seen, self.dirty, 0.0, is_server=is_server)
        config = h2.config.H2Configuration(client_side=is_server, header_encoding="utf-8")
        self.theirs = h2.connection.H2Connection(config)
        self.theirs.initiate_connection()
        self.pieces = pieces or [1 << 20]
        self.events: list[Any] = []

    def exchange(self) -> list[Any]:
        """Until nobody has anything to say; what h2 saw."""
        seen: list[Any] = []
        while True:
            from_us, self.ours.out[:] = b"".join(self.ours.out), []
            if from_us:
                seen += self.theirs.receive_data(from_us)
            from_them = self.theirs.data_to_send()
            if not from_us and not from_them:
                self.events += seen
                return seen
            at = turn = 0
            while at < len(from_them):
                step = self.pieces[turn % len(self.pieces)]
                is_behind = self.ours.receive(from_them[at : at + step], 0.0, AT_ONCE)
                while is_behind:
                    is_behind = self.ours.receive(b"", 0.0, AT_ONCE)
                at, turn = at + step, turn + 1


@given(PIECES, st.integers(0, 3), st.binary(max_size=300))
def test_a_call_from_h2(pieces: list[int], padding: int, message: bytes) -> None:
    pair = Pair(is_server=True, pieces=pieces)
    pair.theirs.send_headers(1, list(REQUEST.fields))
    pair.theirs.send_data(1, message, end_stream=True, pad_length=padding or None)
    pair.exchange()
    (stream,) = pair.seen.streams
    pair.ours.send_headers(stream, [ANSWER], end=False)
    pair.ours.send_data(stream, message, end=False)
    pair.ours.send_headers(stream, [TRAILERS], end=True)
    seen = pair.exchange()

    assert pair.seen.of("headers") == [("headers", 1, list(REQUEST.fields), False)]
    assert pair.seen.of("data") == [("data", 1, message, True)]
    assert [event.data for event in seen if isinstance(event, h2.events.DataReceived)] == [message]
    (trailers,) = [event for event in seen if isinstance(event, h2.events.TrailersReceived)]
    assert list(trailers.headers) == [("grpc-status", "0")]
    assert not pair.ours.streams
    assert pair.ours.failure == ""


@given(PIECES)
def test_a_call_to_h2(pieces: list[int]) -> None:
    pair = Pair(is_server=False, pieces=pieces)
    pair.exchange()
    stream = pair.ours.open("owner")
    pair.ours.send_headers(stream, [REQUEST], end=False)
    pair.ours.send_data(stream, b"hello", end=True)
    pair.exchange()
    pair.theirs.send_headers(1, list(ANSWER.fields))
    pair.theirs.send_data(1, b"world")
    pair.theirs.send_headers(1, list(TRAILERS.fields), end_stream=True)
    pair.exchange()

    assert [one[0] for one in pair.seen.log if one != "settings"] == ["headers", "data", "headers"]
    assert not pair.ours.streams


def test_more_frames_than_are_looked_at_at_once_wait_for_the_next_turn() -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    calls = b"".join(frames.headers(number, REQUEST_BLOCK, end=True) for number in (1, 3, 5, 7, 9))

    turns = []
    is_behind = pair.ours.receive(calls[:-1], 0.0, 2)
    while is_behind:
        turns.append([one[1] for one in pair.seen.of("headers")])
        is_behind = pair.ours.receive(b"", 0.0, 2)

    assert turns == [[1, 3], [1, 3, 5, 7]]
    assert not pair.ours.receive(calls[-1:], 0.0, 2)  # the end of the last
    assert [one[1] for one in pair.seen.of("headers")] == [1, 3, 5, 7, 9]


def test_a_block_in_pieces() -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    block = pair.theirs.encoder.encode([*REQUEST.fields, *((f"k{number}", "a" * 90) for number in range(5))])
    pair.ours.receive(frames.headers(1, block, end=True, largest=100), 0.0)

    assert len(pair.seen.of("headers")[0][2]) == 10


def test_a_block_longer_than_a_frame() -> None:
    pair = Pair(is_server=True)
    pair.theirs.send_headers(1, list(REQUEST.fields))
    pair.exchange()
    (stream,) = pair.seen.streams
    pair.theirs.decoder.max_header_list_size = 1 << 20
    pair.ours.send_headers(stream, [ANSWER, *(Run(((f"k{at}", "a" * 9000),)) for at in range(5))], end=True)

    assert any(isinstance(event, h2.events.ResponseReceived) for event in pair.exchange())


def test_bytes_beyond_the_peers_window_wait_and_leave_in_order() -> None:
    pair = Pair(is_server=False)
    pair.exchange()
    stream = pair.ours.open("owner")
    pair.ours.send_headers(stream, [REQUEST], end=False)
    sent = [bytes([number]) * 10_000 for number in range(20)]
    for message in sent:
        pair.ours.send_data(stream, message, end=message is sent[-1])
    received = b""
    while not any(isinstance(event, h2.events.StreamEnded) for event in pair.events):
        for event in pair.exchange():
            if isinstance(event, h2.events.DataReceived):
                received += event.data
                pair.theirs.acknowledge_received_data(event.flow_controlled_length, 1)

    assert received == b"".join(sent)
    assert stream.held is None


def test_a_window_opens_only_as_bytes_are_passed_on() -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    pair.theirs.send_headers(1, list(REQUEST.fields))
    while pair.theirs.local_flow_control_window(1) > 0:
        size = min(pair.theirs.local_flow_control_window(1), 16_384)
        pair.theirs.send_data(1, bytes(size))
        pair.exchange()
    (stream,) = pair.seen.streams

    assert sum(len(one[2]) for one in pair.seen.of("data")) == STREAM_WINDOW
    pair.ours.passed_on(stream, STREAM_WINDOW)
    pair.exchange()
    assert pair.theirs.local_flow_control_window(1) > 0


def test_one_side_that_is_held_up_holds_up_the_other() -> None:
    """Bytes move from one connection to another; the second peer reads nothing."""
    first, second = Pair(is_server=True), Pair(is_server=False)
    first.exchange()
    second.exchange()
    first.theirs.send_headers(1, list(REQUEST.fields))
    first.exchange()
    (caller,) = first.seen.streams
    model = second.ours.open("owner")
    model.source = caller
    second.ours.send_headers(model, [REQUEST], end=False)
    moved = 0
    while (room := min(first.theirs.local_flow_control_window(1), 16_384)) > 0:
        first.theirs.send_data(1, bytes(room))
        first.exchange()
        for _, _, payload, ended in first.seen.of("data"):
            second.ours.send_data(model, payload, end=ended)
            moved += len(payload)
        first.seen.log.clear()
        second.exchange()

    assert STREAM_WINDOW <= moved <= STREAM_WINDOW + 65_535
    assert model.held_size == first.ours.waiting == moved - 65_535
    second.ours.send_reset(model, 8)
    assert first.ours.waiting == 0


def test_a_window_changed_in_mid_flight_counts_for_open_streams() -> None:
    pair = Pair(is_server=False)
    pair.exchange()
    stream = pair.ours.open("owner")
    pair.ours.send_headers(stream, [REQUEST], end=False)
    pair.exchange()
    pair.theirs.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    pair.exchange()
    pair.ours.send_data(stream, bytes(30), end=True)
    assert sum(len(one.data) for one in pair.exchange() if isinstance(one, h2.events.DataReceived)) == 10
    pair.theirs.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 100})
    assert sum(len(one.data) for one in pair.exchange() if isinstance(one, h2.events.DataReceived)) == 20


def test_go_away_resets_what_was_not_taken_up_as_refused() -> None:
    pair = Pair(is_server=False)
    pair.exchange()
    first, second = pair.ours.open("first"), pair.ours.open("second")
    for stream in (first, second):
        pair.ours.send_headers(stream, [REQUEST], end=True)
    pair.ours.receive(frames.go_away(1, 0), 0.0)

    assert pair.seen.of("reset") == [("reset", 3, 7)]
    assert pair.seen.of("away") == [("away", 0)]
    assert pair.ours.room == 0
    assert list(pair.ours.streams) == [1]


def test_after_the_last_go_away_new_streams_are_ignored() -> None:
    pair = Pair(is_server=True)
    pair.theirs.send_headers(1, list(REQUEST.fields))
    pair.exchange()
    pair.ours.leave(last=False)
    pair.theirs.send_headers(3, list(REQUEST.fields))
    from_them = pair.theirs.data_to_send()
    pair.ours.receive(from_them, 0.0)
    pair.ours.leave(last=True)
    pair.theirs.send_headers(5, list(REQUEST.fields))
    pair.ours.receive(pair.theirs.data_to_send(), 0.0)

    assert [one[1] for one in pair.seen.of("headers")] == [1, 3]
    assert pair.ours.failure == ""


def test_a_stream_that_was_ignored_is_not_said_to_be_taken_up_later() -> None:
    pair = Pair(is_server=True)
    pair.theirs.send_headers(1, list(REQUEST.fields))
    pair.exchange()
    pair.ours.leave(last=True)
    pair.theirs.send_headers(3, list(REQUEST.fields))
    pair.ours.receive(pair.theirs.data_to_send(), 0.0)
    pair.ours.leave(last=True)

    said = split(b"".join(pair.ours.out))[0]
    assert [int.from_bytes(one[3][:4], "big") for one in said if one[0] == frames.GOAWAY] == [1, 1]


@given(st.binary(max_size=400), st.booleans())
def test_garbage_raises_nothing(garbage: bytes, is_server: bool) -> None:
    ours = Connection(Seen(), [], 0.0, is_server=is_server)
    ours.receive(frames.PREFACE + garbage if is_server else garbage, 0.0)


FRAMES = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=20)), max_size=30
)


@given(FRAMES, st.booleans())
def test_frames_of_any_kind_raise_nothing(found: list[frames.Frame], is_server: bool) -> None:
    ours = Connection(Seen(), [], 0.0, is_server=is_server)
    if not is_server:
        ours.send_headers(ours.open("owner"), [REQUEST], end=False)
    ours.receive(frames.PREFACE * is_server + b"".join(frames.frame(*one) for one in found), 0.0)


REQUEST_BLOCK = b"\x83\x86\x84"
RAPID_RESET = b"".join(
    frames.headers(number, REQUEST_BLOCK, end=True) + frames.reset(number, 8) for number in range(1, 4000, 2)
)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frames.frame(frames.PING, 0, 0, b"x"), 6),
        (frames.frame(frames.PING, 0, 1, bytes(8)), 1),
        (frames.frame(frames.SETTINGS, 0, 0, b"x"), 6),
        (frames.frame(frames.SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"), 3),
        (frames.frame(frames.WINDOW_UPDATE, 0, 0, bytes(4)), 1),
        (frames.window_update(0, 2**31 - 1), 3),
        (frames.frame(frames.DATA, 0, 1, b"x"), 1),
        (frames.reset(1, 8), 1),
        (frames.frame(frames.HEADERS, 4, 2, REQUEST_BLOCK), 1),
        (frames.frame(frames.HEADERS, 0, 1, REQUEST_BLOCK) + frames.frame(frames.PING, 0, 0, bytes(8)), 1),
        (frames.frame(frames.PUSH_PROMISE, 4, 1, bytes(4)), 1),
        (frames.frame(frames.HEADERS, 4, 1, b"\xbe"), 9),
        (frames.frame(frames.PING, 0, 0, bytes(8)) * 101, 11),
        (frames.frame(frames.PING, 1, 0, bytes(8)) * 101, 11),
        (frames.frame(frames.SETTINGS, 0, 0) * 21, 11),
        (frames.frame(frames.SETTINGS, 1, 0) * 21, 11),
        (frames.frame(frames.HEADERS, 0, 1) + frames.frame(frames.CONTINUATION, 0, 1) * 9, 11),
        (frames.headers(1, REQUEST_BLOCK, end=False) + frames.frame(frames.DATA, 0, 1) * 11, 11),
        (frames.head(65_537, frames.DATA, 0, 1), 6),
        (
            b"".join(
                frames.headers(n, REQUEST_BLOCK, end=True) + frames.reset(n, 8) for n in range(1, 4000, 2)
            ),
            11,
        ),
    ],
)
def test_rules_that_the_connection_rests_on(sent: bytes, code: int) -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    pair.ours.receive(sent, 0.0)

    from_us = b"".join(pair.ours.out)
    (away,) = [one for one in split(from_us)[0] if one[0] == frames.GOAWAY]
    assert int.from_bytes(away[3][4:8], "big") == code
    assert pair.ours.failure


@pytest.mark.parametrize("is_cut", [True, False])
def test_what_came_before_a_frame_that_is_too_large_counts(is_cut: bool) -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    too_large = frames.head(65_537, frames.DATA, 0, 1) + bytes(0 if is_cut else 65_537)
    pair.ours.receive(frames.headers(1, REQUEST_BLOCK, end=True) + too_large, 0.0)

    assert [one[1] for one in pair.seen.of("headers")] == [1]
    assert "65537 bytes" in pair.ours.failure


def test_more_after_the_end_resets_the_stream_and_counts() -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    pair.ours.receive(frames.headers(1, REQUEST_BLOCK, end=True) + frames.frame(frames.DATA, 0, 1, b"x"), 0.0)

    assert pair.seen.of("reset") == [("reset", 1, 5)]
    assert pair.ours.failure == ""


def test_what_lies_here_is_bounded_by_the_connections_window() -> None:
    pair = Pair(is_server=True)
    pair.exchange()
    sent = 0
    for number in range(1, 200, 2):
        pair.ours.receive(frames.headers(number, REQUEST_BLOCK, end=False), 0.0)
        stream = pair.seen.streams[-1]
        for _ in range(STREAM_WINDOW // 16_384):
            pair.ours.receive(frames.frame(frames.DATA, 0, number, bytes(16_384)), 0.0)
            pair.ours.waiting += 16_384  # as if it were held for a peer that reads nothing
            sent += 16_384 * (not pair.ours.failure)
        if pair.ours.failure:
            break
        assert stream.window == 0

    assert pair.ours.failure
    assert sent <= 2 * CONNECTION_WINDOW
