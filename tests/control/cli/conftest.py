"""A scripted control service, and the command run against it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.command import Result, run
from tests.support.fake_control import Script, fake_control

Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def address(script: Script) -> AsyncIterator[str]:
    async with fake_control(script) as address:
        yield address


@pytest.fixture
def understudy(address: str) -> Command:
    """`understudy ARGUMENTS --control THE SCRIPT`."""

    async def command(*arguments: str) -> Result:
        return await asyncio.to_thread(run, *arguments, "--control", address)

    return command
