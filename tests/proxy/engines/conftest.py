"""The same tests run over every engine, and none of them may leave an error in the log.

What grpc-aio does not pass, and what these tests therefore do not ask of every engine yet:

- the caller's `user-agent` and `:authority`: the model server sees those of the sidecar's own client;
- compression: a compressed message arrives, but uncompressed, whatever the caller and the server agreed;
- the order of metadata between different keys: values are grouped by key, each key's in their order;
- a header block without a single key that is followed by the end within five milliseconds, and no message
  between them: it becomes an answer of nothing but trailers;
- who said it: an UNAVAILABLE without trailers whose text is one of gRPC core's own ("Socket closed") counts
  as a failed connection, even where a model server sent just that.
"""

import logging
from collections.abc import Iterator

import pytest
from understudy.serving.logs import is_noise

from tests.support.sidecars import ENGINES


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever callers and model servers do, nothing of it is an error of the sidecar's."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    errors = [one for one in records if one.levelno >= logging.ERROR and not is_noise(one)]
    assert not errors, [(one.name, one.getMessage(), one.exc_info) for one in errors]
