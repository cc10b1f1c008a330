"""What is found to stand still, by a clock of the test's."""

from typing import Any

from proxy.engines.relay.overdue import GREETING, NO_PROGRESS, Overdue
from proxy.http2 import frames
from proxy.http2.connection import Connection
from proxy.http2.stream import Stream


class Unheard:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def connection(*said: bytes) -> Connection:
    made = Connection(Unheard(), [], 0.0, is_server=True)
    made.receive(b"".join(said), 0.0)
    return made


GREETED = frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)


def reading_nothing() -> tuple[Connection, Stream]:
    one = connection(GREETED, frames.headers(1, b"\x83\x86\x84", end=True))
    stream = one.streams[1]
    one.send_data(stream, bytes(100_000), end=False)
    assert stream.held
    return one, stream


def test_a_greeting_that_does_not_come_is_found_once_its_time_is_over() -> None:
    slow, idle, watch = connection(frames.PREFACE), connection(GREETED), Overdue()
    assert watch.look([slow, idle], 0.0).connections == []
    assert watch.look([slow, idle], GREETING - 0.1).connections == []
    assert watch.look([slow, idle], GREETING).connections == [slow]


def test_an_answer_of_which_nothing_leaves_is_found() -> None:
    (one, stream), watch = reading_nothing(), Overdue()
    for at in (0.0, NO_PROGRESS - 0.1):
        assert watch.look([one], at).streams == []
    assert watch.look([one], NO_PROGRESS).streams == [(one, stream)]


def test_an_answer_that_is_read_however_slowly_is_not() -> None:
    (one, stream), watch = reading_nothing(), Overdue()
    for second in range(100):
        if second % 20 == 0:  # a byte now and then
            one.receive(frames.window_update(0, 1) + frames.window_update(1, 1), float(second))
        assert watch.look([one], float(second)).streams == []
    assert stream.held


def test_a_connection_that_failed_and_stays_is_found() -> None:
    one, watch = connection(b"GET / HTTP/1.1\r\n\r\n"), Overdue()
    assert one.failure
    watch.look([one], 0.0)
    assert watch.look([one], GREETING).connections == [one]
