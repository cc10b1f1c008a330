"""A fault of our own in the course of a copy ends that copy, and nothing else."""

from typing import Any, NoReturn

import pytest

from proxy.compare import comparison
from proxy.engines import judging
from proxy.engines.grpc_aio import asking
from proxy.engines.relay import shadow
from tests.support.mirroring import mirrored

UNKNOWN = "/any.Service/Method"
LARGE = bytes(comparison.THREAD_BYTES)


@pytest.fixture(autouse=True)
def no_errors_logged() -> None:
    """Here they are: each fault is told."""


def break_down(*_: Any, **__: Any) -> NoReturn:
    msg = "a fault that nobody thought of"
    raise ZeroDivisionError(msg)


@pytest.mark.parametrize("message", [b"x", LARGE], ids=["on the loop", "aside"])
async def test_a_fault_in_comparing(
    engine: str, message: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(judging, "compare", break_down)
    async with mirrored(engine) as setup:
        for _ in range(3):
            assert (await setup.call.unary(UNKNOWN, message)).ok
            await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"error": 3}
    assert caplog.messages.count("a copy failed") == 3


async def test_a_fault_in_asking(
    engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asking, "_begin", break_down)
    monkeypatch.setattr(shadow, "forwarded", break_down)
    async with mirrored(engine) as setup:
        for _ in range(3):
            assert (await setup.call.unary(UNKNOWN)).ok
            await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"error": 3}
    assert caplog.messages.count("a copy failed") == 3
