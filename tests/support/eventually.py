"""Waiting for a condition that no event tells: looked at again and again, up to a deadline."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE = 60.0  # seconds; only a broken program needs them


async def eventually(look: Callable[[], T], deadline: float = DEADLINE) -> T:
    """What `look` returns as soon as it is true."""
    async with asyncio.timeout(deadline):
        while not (found := look()):  # noqa: ASYNC110  # nobody sets an event
            await asyncio.sleep(0.002)
    return found


async def soon(event: asyncio.Event, deadline: float = DEADLINE) -> None:
    """An event, up to a deadline."""
    async with asyncio.timeout(deadline):
        await event.wait()
