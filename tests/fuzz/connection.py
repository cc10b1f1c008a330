"""Fuzzes a connection, as either side: whatever comes, in whatever pieces, nothing raises and books balance.

The first byte chooses the side and how the rest is cut; the rest is what the peer writes after its greeting.
`--seed FOLDER` writes the corpus: the attacks of tests/support/attacks.py, each cut to its beginning.
"""

import pathlib
import sys
from typing import Any

import atheris

with atheris.instrument_imports():
    from proxy.engines.relay.answers import Answer
    from proxy.engines.relay.requests import Malformed, read_request
    from proxy.http2 import frames
    from proxy.http2.connection import ALL, Connection
    from proxy.http2.errors import PROTOCOL_ERROR, StreamFault
    from proxy.http2.fields import Block, Run
    from proxy.http2.settings import CONNECTION_WINDOW
    from proxy.http2.stream import Stream

from tests.support.raw_frames import split

REQUEST = Run(((":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":authority", "x")))
SEED_SIZE = 2048
PIECES = (1, 7, 100, 1 << 20)


class Reader:
    """Reads what came as the relay does, and passes it on."""

    def __init__(self, *, is_server: bool) -> None:
        self.is_server = is_server
        self.log: list[Any] = []

    def headers_came(self, stream: Stream, block: Block, *, ended: bool) -> None:
        self.log.append((stream.id, block.fields(), ended))
        if not self.is_server:
            assert Answer(block).code
        elif not block.fault and stream.owner is None:
            try:
                read_request(block)
            except Malformed as malformed:
                raise StreamFault(stream.id, PROTOCOL_ERROR, str(malformed)) from None
            stream.owner = self

    def data_came(self, stream: Stream, payload: bytes, *, ended: bool) -> None:
        self.log.append((stream.id, payload, ended))
        stream.connection.passed_on(stream, len(payload))

    def reset_came(self, stream: Stream, code: int) -> None:
        self.log.append((stream.id, code))

    def settings_came(self) -> None:
        self.log.append("settings")

    def went_away(self, code: int) -> None:
        self.log.append(("away", code))

    def ping_answered(self) -> None:
        self.log.append("pong")


def seen(data: bytes, piece: int, most: int, *, is_server: bool) -> tuple[list[Any], bytes, str]:
    """What a connection made of it: what came, what it said, and why it failed."""
    reader = Reader(is_server=is_server)
    ours = Connection(reader, [], 0.0, is_server=is_server)
    greeting = frames.PREFACE * is_server + frames.frame(frames.SETTINGS, 0, 0)
    ours.receive(greeting, 0.0)
    if not is_server:
        for _ in range(3):
            ours.send_headers(ours.open(reader), [REQUEST], end=False)
    for at in range(0, len(data), piece):
        is_behind = ours.receive(data[at : at + piece], 0.0, most)
        while is_behind:
            is_behind = ours.receive(b"", 0.0, most)
        assert 0 <= ours.waiting <= CONNECTION_WINDOW
        assert all(stream.window >= 0 for stream in ours.streams.values())
    said, used = split(b"".join(ours.out)[len(frames.PREFACE) * (not is_server) :])
    assert bool(ours.failure) == any(kind == frames.GOAWAY for kind, *_ in said)
    assert not ours.failure or not ours.streams
    return reader.log, used.to_bytes(4, "big"), ours.failure


def one_input(data: bytes) -> None:
    if not data:
        return
    is_server, piece = bool(data[0] & 1), PIECES[data[0] >> 1 & 3]
    whole = seen(data[1:], 1 << 20, ALL, is_server=is_server)
    pieces = seen(data[1:], piece, 2, is_server=is_server)
    assert bool(pieces[-1]) == bool(whole[-1])
    if not whole[-1]:  # a frame that is too large ends a connection before what came in the same read
        assert pieces == whole


def seed(folder: pathlib.Path) -> None:
    """Write the corpus."""
    from tests.support.attacks import ATTACKS

    folder.mkdir(exist_ok=True)
    for number, attack in enumerate(ATTACKS):
        for side in (0, 1):
            found = bytes([number % 4 << 1 | side]) + attack.sent[:SEED_SIZE]
            (folder / f"{attack.name.replace(' ', '-').lower()}-{side}").write_bytes(found)


def main() -> None:
    if sys.argv[1:2] == ["--seed"]:
        seed(pathlib.Path(sys.argv[2]))
        return
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
