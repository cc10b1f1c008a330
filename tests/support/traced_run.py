"""A control service with its operator and its sidecar in one process, so that one trace has all in order.

    python -m tests.support.traced_run DIRECTORY JOURNAL SYNCHRONOUS

Each answer is a line in DIRECTORY/answers, written after it came.
"""

import json
import os
import sys
from typing import Any

import uvloop
from understudy.v1 import control_pb2

from control.process import Config, running
from control.store import database
from control.store.journal import pragmas_for
from tests.support.whole_run import WholeRun

TICK = 0.02


async def _run(directory: str, journal: str, synchronous: str) -> None:
    def pragmas(_journal: str) -> tuple[str, ...]:
        return tuple(
            f"synchronous = {synchronous}" if each.startswith("synchronous") else each
            for each in pragmas_for(journal)
        )

    setattr(database, "pragmas_for", pragmas)  # noqa: B010 - in this process another disk is tried
    answers = os.open(f"{directory}/answers", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def acknowledge(what: str, value: Any) -> None:
        os.write(answers, json.dumps([what, value]).encode() + b"\n")

    message = control_pb2.Control(
        listen="127.0.0.1:0", http="127.0.0.1:0", store=f"sqlite:///{directory}/understudy.db"
    )
    async with running(Config.from_proto(message), tick=TICK) as listening:
        assert await WholeRun(acknowledge).go_on(listening.grpc)
    os.close(answers)


if __name__ == "__main__":
    uvloop.run(_run(*sys.argv[1:4]))
