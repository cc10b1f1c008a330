"""One loop for all: grpc.aio's poller belongs to the first loop it meets, as it does in a real process."""

from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
async def one_loop(anyio_backend: Any) -> AsyncIterator[None]:
    """An asynchronous fixture that lives keeps its loop alive."""
    del anyio_backend
    yield  # noqa: PT022  # a coroutine that returned keeps nothing alive
