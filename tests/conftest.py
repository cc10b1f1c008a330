"""Every async test runs on uvloop, as the processes do; no example of hypothesis fails for being slow."""

import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None, print_blob=True)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}
