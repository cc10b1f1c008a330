"""Every async test runs on uvloop, as the processes do; no example of hypothesis fails for being slow.

In CI hypothesis tries the same examples every time: what it finds anew is for whoever runs the tests by hand,
not for a change that has nothing to do with it.
"""

import gc
import os

import pytest
from hypothesis import settings

# Tests start processes while gRPC is at work in this one. Between fork and exec its fork handlers can wait
# for a thread that the child does not have; without them the child execs and nothing else. Read by grpc's
# import.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# Nor may the child come upon a channel among its garbage: closing grpc.aio waits for such a thread for ever.
os.register_at_fork(before=gc.disable, after_in_parent=gc.enable)

settings.register_profile("shared machine", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}
