"""The same tests run over every engine, and none of them may leave an error in the log.

A test that asks for what one engine cannot do is marked with the difference: it has to fail with the engine
that KNOWN_DIFFERENCES excuses, and to pass with every other.
"""

import logging
from collections.abc import Iterator, Mapping

import pytest
from understudy.serving.logs import is_noise

from tests.support.sidecars import ENGINES

GRPC_AIO = {
    "user-agent": (
        "the model server sees that of the sidecar's own client: https://github.com/grpc/grpc/issues/38707"
    ),
    "authority": "is one for all calls of a channel: https://github.com/grpc/grpc/issues/27520",
    "compression": (
        "gRPC core decompresses what it receives, and no option of grpcio has it leave that to the receiver"
    ),
    "order of keys": (
        "grpc.aio groups metadata by key, each key's values in their order:"
        " https://github.com/grpc/grpc/issues/21953"
    ),
    "early metadata of unary calls": (
        "grpc.aio's unary call receives metadata, message and status at once, and a stream costs half as much"
        " again; methods that no protocol names are carried as streams and have it early"
    ),
    "empty headers": (
        "a header block without a key and nothing but trailers look alike to grpc.aio's client; where the end"
        " follows within five milliseconds and without a message, the sidecar takes it for the latter"
    ),
    "text of a lost connection": (
        "grpc.aio tells a status that its client made up from one of the model server by its text only: what"
        ' a model server itself calls UNAVAILABLE with "Socket closed" and no trailers is taken for a reset'
    ),
    "refused streams": (
        "grpc.aio gives a refused stream as UNAVAILABLE and a text that a model server could send itself, so"
        " it did not surely reach nobody; gRPC core retries by itself what a GOAWAY left out, and not this"
    ),
    "calls at a stop": (
        "gRPC core cancels what arrives between its stop and the caller's hearing of it, so a caller that"
        " keeps calling may lose one: https://github.com/grpc/grpc/issues/41785. None is lost where"
        " max_connection_age is set (tests/proxy/test_handover.py)"
    ),
}
KNOWN_DIFFERENCES: Mapping[str, Mapping[str, str]] = {"grpc-aio": GRPC_AIO}
"""By engine: what it cannot do, and why."""


def pytest_configure(config: pytest.Config) -> None:
    line = "differs(difference): asks for what KNOWN_DIFFERENCES says that an engine cannot do"
    config.addinivalue_line("markers", line)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    for mark in request.node.iter_markers("differs"):
        (difference,) = mark.args
        assert any(difference in known for known in KNOWN_DIFFERENCES.values()), difference
        reason = KNOWN_DIFFERENCES.get(name, {}).get(difference)
        if reason is not None:
            request.node.add_marker(pytest.mark.xfail(reason=reason, raises=AssertionError, strict=True))
    return name


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever callers and model servers do, nothing of it is an error of the sidecar's."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    errors = [one for one in records if one.levelno >= logging.ERROR and not is_noise(one)]
    assert not errors, [(one.name, one.getMessage(), one.exc_info) for one in errors]
