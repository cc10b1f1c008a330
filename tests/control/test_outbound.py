"""POSTs against servers that are slow, large, elsewhere or broken."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator

import pytest

from control.outbound import Answered, post
from tests.support.eventually import soon


@contextlib.asynccontextmanager
async def raw(*pieces: bytes, stays: bool = False) -> AsyncIterator[str]:
    """A server that answers every request with these pieces, and may then stay."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if stays:
                await over.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        over.set()
        server.close()


async def posted(url: str, seconds: float = 10.0, most: int = 1000) -> Answered:
    return await asyncio.to_thread(functools.partial(post, url, b"{}", "application/json", seconds, most))


async def test_a_2xx_answer_is_given() -> None:
    async with raw(b"HTTP/1.1 201 Made\r\ncontent-length: 2\r\n\r\nok") as url:
        assert await posted(url) == Answered(b"ok")


@pytest.mark.parametrize("status", [301, 303, 308, 400, 500])
async def test_other_answers_are_none(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
    async with raw(head.encode()) as url:
        assert await posted(url) == Answered(error=f"answered {status}")


async def test_more_than_is_wanted_is_none() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 10_000] * 100, stays=True) as url:
        assert (await posted(url)).error == "answered more than 1000 bytes"


async def test_silence_ends_by_the_timeout() -> None:
    async with raw(stays=True) as url:
        assert "timed out" in (await posted(url, seconds=0.05)).error


async def test_an_answer_that_trickles_ends_by_the_timeout() -> None:
    over, ended = asyncio.Event(), asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not over.is_set():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        ended.set()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        begun = time.monotonic()
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert "did not end in time" in (await posted(url, seconds=0.1, most=10**9)).error
        assert time.monotonic() - begun < 30
        over.set()
        await soon(ended)


async def test_who_is_not_there_and_who_speaks_no_http_is_an_error() -> None:
    assert "refused" in (await posted("http://127.0.0.1:9/")).error
    async with raw(b"SSH-2.0\r\n") as url:
        assert (await posted(url)).error.startswith("BadStatusLine")
