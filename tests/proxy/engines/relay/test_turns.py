"""Whoever sends much waits for others between two of its reads."""

import asyncio
from typing import Any

import pytest

from proxy.engines.relay.socket import AT_ONCE, FULL_READ, Socket
from proxy.http2 import frames
from tests.support.seen import REQUEST_BLOCK

GREETING = frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0)
REQUEST = frames.headers(1, REQUEST_BLOCK, end=False)
PART = 16384


class Transport(asyncio.Transport):
    """One that only says whether it would read on."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        """Nobody reads it."""


class Reader(Socket):
    """Counts what it was given."""

    def __init__(self) -> None:
        super().__init__([], is_server=True)
        self.came = 0
        self.connection_made(Transport())

    @property
    def is_read(self) -> bool:
        assert isinstance(self.transport, Transport)
        return self.transport.is_read

    def headers_came(self, *_: Any, **__: Any) -> None:
        """See Events."""

    def settings_came(self) -> None:
        """See Events."""

    def data_came(self, _stream: Any, payload: bytes, **__: Any) -> None:
        self.came += len(payload)


@pytest.mark.parametrize("size", [0, 1, FULL_READ])
async def test_after_a_read_that_may_have_left_more_others_have_their_turn(size: int) -> None:
    one = Reader()
    parts = -(-size // PART)
    one.data_received(GREETING + REQUEST + frames.frame(frames.DATA, 0, 1, bytes(PART)) * parts)

    assert one.came == parts * PART
    assert one.is_read is (size < FULL_READ)
    await asyncio.sleep(0)
    assert one.is_read


async def test_of_many_small_frames_some_wait_for_the_next_turn() -> None:
    one = Reader()
    one.data_received(GREETING + REQUEST + frames.frame(frames.DATA, 0, 1, b"x") * 2 * AT_ONCE)

    assert 0 < one.came < AT_ONCE
    assert not one.is_read
    for _ in range(2):
        await asyncio.sleep(0)
    assert one.came == 2 * AT_ONCE
    assert one.is_read
