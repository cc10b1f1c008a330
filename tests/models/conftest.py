"""Three MLServers of a model version each, started once; every test puts its own sidecar before them."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.digits import Version, held_out, trained, write_folder
from tests.models.processes import ModelServer


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """As in the other tests, whose conftest needs what this environment does not have."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def versions() -> Mapping[str, Version]:
    return trained()


@pytest.fixture(scope="session")
def images() -> NDArray[np.float32]:
    return held_out()


@pytest.fixture(scope="session")
async def servers(
    versions: Mapping[str, Version],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Mapping[str, ModelServer]]:
    folder = tmp_path_factory.mktemp("models")
    started: dict[str, ModelServer] = {}
    for name, version in versions.items():
        write_folder(version, folder / name)
        started[name] = ModelServer(folder / name)
    try:
        await asyncio.gather(*(one.start() for one in started.values()))
        yield started
    finally:
        await asyncio.gather(*(one.kill() for one in started.values()))


@pytest.fixture
async def all_alive(servers: Mapping[str, ModelServer]) -> AsyncIterator[Mapping[str, ModelServer]]:
    """For tests that kill some: all of them run again in the end."""
    yield servers
    await asyncio.gather(*(one.start() for one in servers.values()))
