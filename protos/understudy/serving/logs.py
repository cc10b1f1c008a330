"""Logs: one JSON object a line on standard error. Never a payload, never a user id."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one JSON object; what was given as `extra` stands beside the message, `always` on each."""

    def __init__(self, always: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._always = always or {}

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._always,
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def is_noise(record: logging.LogRecord) -> bool:
    """Whether it is a message of grpc.aio that means nothing.

    Its poller lost a race for a wake-up byte (https://github.com/grpc/grpc/issues/25364), or a call's caller
    was gone when its answer was to be sent.
    """
    error = record.exc_info[1] if record.exc_info else None
    message = record.getMessage()
    if isinstance(error, BlockingIOError):
        return "PollerCompletionQueue" in message
    return message.startswith("ExecuteBatchError raised in core by servicer method")


class _NotNoise(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not is_noise(record)


def configure_logging(level: str = "info", **always: Any) -> None:
    """Send everything to standard error as JSON lines, `always` on each of them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(always))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    for name in ("asyncio", "grpc._cython.cygrpc"):
        logging.getLogger(name).addFilter(_NotNoise())
