import json
import logging
import sys
from collections.abc import Iterator

import pytest
from understudy.serving.logs import JsonLines, configure_logging


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root, asyncio_log = logging.getLogger(), logging.getLogger("asyncio")
    handlers, level, filters = root.handlers[:], root.level, asyncio_log.filters[:]
    yield
    root.handlers[:], asyncio_log.filters[:] = handlers, filters
    root.setLevel(level)


def a_record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    logger = logging.getLogger("proxy.x")
    return logger.makeRecord("proxy.x", logging.WARNING, "f.py", 1, message, args, None, extra=extra)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_is_one_json_object_with_the_extras_beside_the_message():
    record = a_record("lost %s", "control", epoch=3, bound="127.0.0.1:0")
    record.created, record.msecs = 1_767_225_600.25, 250.0
    assert json.loads(JsonLines().format(record)) == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "proxy.x",
        "message": "lost control",
        "epoch": 3,
        "bound": "127.0.0.1:0",
    }


def test_line_breaks_and_what_json_does_not_know_stay_in_one_line():
    text = JsonLines().format(a_record("a\nb\u2028", path=sys.version_info, error=OSError("no\nway")))
    assert len(text.splitlines()) == 1
    assert json.loads(text)["message"] == "a\nb\u2028"
    assert json.loads(text)["error"] == "no\nway"


def test_an_exception_is_part_of_the_object(capsys):
    configure_logging("info")
    try:
        int("because")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = lines(capsys.readouterr().err)
    assert line["message"] == "failed"
    assert str(line["exception"]).endswith("ValueError: invalid literal for int() with base 10: 'because'")


def test_logs_go_to_standard_error_once_however_often_they_are_configured(capsys):
    configure_logging("info")
    configure_logging("warning")
    logging.getLogger("x").info("unseen")
    logging.getLogger("x").warning("seen")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line["message"] for line in lines(captured.err)] == ["seen"]


def test_uvicorn_says_no_more_than_warnings(capsys):
    configure_logging("debug")
    logging.getLogger("uvicorn.error").info("unseen")
    assert capsys.readouterr().err == ""


def test_the_noise_of_grpc_s_poller_is_dropped_and_nothing_else_is(capsys):
    configure_logging("info")
    for error, message in (
        (BlockingIOError(), "Exception in callback PollerCompletionQueue._handle_events"),
        (BlockingIOError(), "another callback"),
        (ValueError(), "Exception in callback PollerCompletionQueue._handle_events"),
    ):
        logging.getLogger("asyncio").error(message, exc_info=(type(error), error, None))
    assert [str(line["exception"]) for line in lines(capsys.readouterr().err)] == [
        "BlockingIOError",
        "ValueError",
    ]
