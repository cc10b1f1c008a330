"""Asks a worker for a page of its admin door."""

import asyncio
import pathlib
from dataclasses import dataclass

PATIENCE = 5.0
"""Seconds that a worker has."""


@dataclass(frozen=True, slots=True)
class Page:
    """What it answered."""

    status: int
    content_type: str
    body: bytes


async def ask(socket: pathlib.Path, path: str, accept: str = "*/*") -> Page | None:
    """A page; None where no worker answers."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                fields = f"Host: worker\r\nAccept: {accept}\r\nConnection: close\r\n"
                writer.write(f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode())
                return _page(await reader.read())
            finally:
                writer.close()
    except (OSError, ValueError):
        return None


def _page(answer: bytes) -> Page:
    head, separator, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not separator:
        raise ValueError("the answer is cut short")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if len(body) != int(fields.get("content-length", "")):
        raise ValueError("the answer is cut short")
    return Page(int(first.split(" ")[1]), fields.get("content-type", "text/plain"), body)
