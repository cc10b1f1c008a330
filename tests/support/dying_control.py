"""The control service as a process that kills itself, by SIGKILL, at the nth statement that writes.

    python -m tests.support.dying_control sqlite:///PATH N      (0: never)

Counted are the statements that change the store, and each commit twice: before it is made, and after. Told
to stop, it says on standard output how many there were.
"""

import asyncio
import os
import signal
import sqlite3
import sys
from typing import Any

import uvloop
from sqlalchemy import event
from sqlalchemy.engine import Engine
from understudy.serving.announce import announce
from understudy.v1 import control_pb2

from control.process import Config, running

WRITING = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "REPLACE")
TICK = 0.02


class Doom:
    """Counts what is written; the last one is not survived."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def note(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(WRITING):
            self.note()

    def transaction(self, _connection: Any) -> None:
        self.note()


class Counted(sqlite3.Connection):
    """Counts a commit once it is made, too."""

    doom: Doom

    def commit(self) -> None:
        super().commit()
        self.doom.note()


async def _serve(store: str, last: int) -> None:
    doom = Doom(last)
    event.listen(Engine, "before_cursor_execute", doom.statement)
    event.listen(Engine, "commit", doom.transaction)
    Counted.doom = doom

    def connect(_dialect: Any, _record: Any, _arguments: Any, keywords: dict[str, Any]) -> None:
        keywords["factory"] = Counted

    event.listen(Engine, "do_connect", connect)
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    message = control_pb2.Control(listen="127.0.0.1:0", http="127.0.0.1:0", store=store)
    async with running(Config.from_proto(message), tick=TICK) as listening:
        announce({"grpc": listening.grpc, "http": listening.http})
        await asked_to_stop.wait()
    sys.stdout.write(f"{doom.count}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2])))
