"""The TLS layer between two transports of the test's: what is written inside arrives inside, at once."""

import asyncio
import pathlib
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tls.identity import ALPN, Side, read
from proxy.tls.secured import UNREAD, Failed, Secured
from tests.support.certificates import Authority, client

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = self.is_aborted = False
        self.unread = 0

    def write(self, data: bytes) -> None:
        assert not self.is_closing()
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1)}.get(name, default)


class Inside(asyncio.Protocol):
    """A protocol that keeps what it gets."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.reads: list[bytes] = []
        self.transport: Any = None
        self.lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.greeting:
            self.transport.write(self.greeting)

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class End:
    """One end of a connection."""

    def __init__(self, context: ssl.SSLContext, greeting: bytes, server_name: str | None = None) -> None:
        self.inside, self.wire = Inside(greeting), Wire()
        self.secured = Secured(context, self.inside, server_name)
        self.secured.connection_made(self.wire)  # type: ignore[arg-type]  # as much of a transport as is needed


def deliver(ends: tuple[End, End]) -> None:
    """Until nothing is on its way."""
    while any(end.wire.written for end in ends):
        for one, other in (ends, ends[::-1]):
            data, one.wire.written = b"".join(one.wire.written), []
            if data:
                other.secured.data_received(data)


@pytest.fixture(name="contexts", scope="module")
def two_contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """A client's and a server's, who trust each other."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    return client(authority.ca), read(authority.pair("server").files(), Side.CALLERS).context


@pytest.fixture(name="ends")
def two_ends(contexts: Contexts) -> tuple[End, End]:
    """A client and a server, before their handshake."""
    return End(contexts[0], b"client", "localhost"), End(contexts[1], b"server")


def test_what_was_written_before_the_handshake_comes_after_it(ends: tuple[End, End]) -> None:
    assert ends[0].inside.transport is ends[0].secured
    deliver(ends)
    assert [end.inside.reads for end in ends] == [[b"server"], [b"client"]]


def test_one_write_is_one_write_and_one_read_however_large(ends: tuple[End, End]) -> None:
    one, other = ends
    deliver(ends)
    data = bytes(range(256)) * 4096
    one.secured.write(data)
    assert len(one.wire.written) == 1
    deliver(ends)
    assert other.inside.reads[1:] == [data]


@pytest.mark.parametrize("size", [1, 100, 16 * 1024 + 1])
def test_records_may_arrive_in_any_pieces(ends: tuple[End, End], size: int) -> None:
    one, other = ends
    deliver(ends)
    one.secured.write(bytes(50_000))
    sent = b"".join(one.wire.written)
    one.wire.written.clear()
    for start in range(0, len(sent), size):
        other.secured.data_received(sent[start : start + size])
    assert b"".join(other.inside.reads[1:]) == bytes(50_000)


def test_a_close_is_told_after_everything_that_was_written(ends: tuple[End, End]) -> None:
    one, other = ends
    deliver(ends)
    one.secured.write(b"last")
    one.secured.close()
    assert one.wire.is_closed
    deliver(ends)
    assert other.inside.reads[-1] == b"last"
    assert other.wire.is_closed


def test_a_close_in_the_handshake_closes(ends: tuple[End, End]) -> None:
    one, _ = ends
    one.secured.close()
    one.secured.close()
    assert one.wire.is_closed


def test_nothing_is_read_of_what_is_no_tls(ends: tuple[End, End]) -> None:
    _, server = ends
    server.secured.data_received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert server.wire.is_closed
    server.secured.data_received(b"more")
    server.secured.connection_lost(None)
    (why,) = server.inside.lost
    assert isinstance(why, Failed)
    assert str(why).startswith("TLS failed: ")
    assert server.inside.reads == []


def test_bytes_that_were_changed_on_their_way_end_it(ends: tuple[End, End]) -> None:
    one, other = ends
    deliver(ends)
    one.secured.write(b"secret")
    changed = bytearray(b"".join(one.wire.written))
    changed[-1] ^= 1
    other.secured.data_received(bytes(changed))
    assert other.wire.is_closed
    assert other.inside.reads == [b"client"]


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), (ALPN,)])
def test_both_sides_want_h2(tmp_path: pathlib.Path, alpn: tuple[str, ...]) -> None:
    authority = Authority(tmp_path)
    server = read(authority.pair("server").files(), Side.CALLERS).context
    ends = End(client(authority.ca, alpn=alpn), b"", "localhost"), End(server, b"")
    deliver(ends)
    assert [end.wire.is_closed for end in ends] == [alpn != (ALPN,)] * 2


@pytest.mark.parametrize(("name", "is_fine"), [("localhost", True), ("127.0.0.1", True), ("other", False)])
def test_a_server_is_who_it_is_expected_to_be(tmp_path: pathlib.Path, name: str, *, is_fine: bool) -> None:
    authority = Authority(tmp_path)
    server = read(authority.pair("server").files(), Side.CALLERS).context
    ends = End(client(authority.ca), b"", name), End(server, b"hello")
    deliver(ends)
    assert (ends[0].inside.reads == [b"hello"]) is is_fine


def test_why_it_ended_is_told(ends: tuple[End, End]) -> None:
    one, _ = ends
    one.secured.connection_lost(ConnectionResetError("reset"))
    assert [str(why) for why in one.inside.lost] == ["it ended in the TLS handshake: reset"]


@pytest.mark.parametrize("greeting", [b"", b"hello"])
def test_a_server_that_leaves_before_it_says_anything_may_want_another_certificate(
    tmp_path: pathlib.Path, greeting: bytes
) -> None:
    authority = Authority(tmp_path)
    server = read(authority.pair("server").files(), Side.CALLERS).context
    ends = End(client(authority.ca), b"", "localhost"), End(server, greeting)
    deliver(ends)
    for end in ends:
        end.secured.connection_lost(None)
    ours, theirs = (end.inside.lost[0] for end in ends)
    assert ("does the server take our certificate?" in str(ours)) is (not greeting)
    assert theirs is None


def test_who_has_tls_answer_and_reads_nothing_is_cut_off(tmp_path: pathlib.Path) -> None:
    """A server's session tickets are such an answer: they follow the client's last word of the handshake."""
    authority = Authority(tmp_path)
    context = read(authority.pair("server").files(), Side.CALLERS).context
    server = End(context, b"")
    server.wire.unread = UNREAD + 1
    deliver((End(client(authority.ca), b"client", "localhost"), server))
    assert server.wire.is_aborted
    assert server.inside.reads == []


def test_it_stands_for_its_transport(ends: tuple[End, End]) -> None:
    one, _ = ends
    assert one.secured.get_extra_info("peername") == ("127.0.0.1", 1)
    assert not one.secured.is_closing()
    one.secured.abort()
    assert one.wire.is_aborted
    assert one.secured.is_closing()


@given(data=st.binary(max_size=2000), size=st.integers(1, 500), is_after=st.booleans())
def test_no_bytes_raise(contexts: Contexts, data: bytes, size: int, is_after: bool) -> None:
    ends = End(contexts[0], b"client", "localhost"), End(contexts[1], b"server")
    if is_after:
        deliver(ends)
    for end in ends:
        for start in range(0, len(data), size):
            end.secured.data_received(data[start : start + size])
        end.secured.write(b"more")
        end.secured.close()
        end.secured.connection_lost(None)
        assert len(end.inside.lost) == 1


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_bit_that_flips_ends_it_or_changes_nothing(contexts: Contexts, at: int, bit: int) -> None:
    """At any point of what the client says, from its first byte on."""
    one, other = End(contexts[0], b"client", "localhost"), End(contexts[1], b"server")
    passed = 0
    while one.wire.written or other.wire.written:
        data, one.wire.written = bytearray(b"".join(one.wire.written)), []
        if passed <= at < passed + len(data):
            data[at - passed] ^= 1 << bit
        passed += len(data)
        other.secured.data_received(bytes(data))
        data, other.wire.written = bytearray(b"".join(other.wire.written)), []
        if data:
            one.secured.data_received(bytes(data))
    assert other.inside.reads in ([], [b"client"])
