"""The same tests run over every engine, and none of them may leave an error in the log."""

import logging
from collections.abc import Iterator

import pytest

from tests.support.sidecars import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever callers and model servers do, nothing of it is an error of the sidecar's."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    errors = [one for one in records if one.levelno >= logging.ERROR and not _is_poller_noise(one)]
    assert not errors, [(one.name, one.getMessage(), one.exc_info) for one in errors]


def _is_poller_noise(record: logging.LogRecord) -> bool:
    """https://github.com/grpc/grpc/issues/25364, filtered in the sidecar's own process."""
    return "PollerCompletionQueue" in record.getMessage()
