"""The `understudy` command on a terminal of its own, and what that terminal then shows."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from types import TracebackType
from typing import Self

_TOKEN = re.compile(r"\x1b\[(\??\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Terminal:
    """A pseudo-terminal with one process on it."""

    def __init__(self, *arguments: str, columns: int = 120, rows: int = 50) -> None:
        self._master, slave = pty.openpty()
        self._set_size(slave, columns, rows)
        command = [sys.executable, "-c", "from understudy.cli import main; main()", *arguments]
        # Tests that run in the background ignore Ctrl-C, and would hand that on.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self._process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        signal.signal(signal.SIGINT, before)
        os.close(slave)
        self.written = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def read_until(self, text: str) -> None:
        """Read what the process writes until `text` is in it."""
        start = len(self.written)
        while text not in self.written[start:]:
            data = self._read()
            assert data, f"ended before {text!r}: {self.written!r}"
            self.written += data

    def finish(self) -> int:
        """Read on to the process's end; its exit code."""
        while data := self._read():
            self.written += data
        return self._process.wait()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def resize(self, columns: int, rows: int) -> None:
        self._set_size(self._master, columns, rows)

    def screen(self) -> list[str]:
        """The lines that stand there, everything obeyed that the command may write."""
        lines, row, column = [""], 0, 0
        for match in _TOKEN.finditer(self.written):
            number, action, carriage, newline, text = match.groups()
            if carriage:
                column = 0
            elif newline:
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif text:
                lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
                column += len(text)
            elif action == "A":
                row = max(row - int(number or 1), 0)
            elif action == "K":
                lines[row] = lines[row][:column]
            elif action == "J":
                lines[row] = lines[row][:column]
                del lines[row + 1 :]
            else:
                assert action in ("h", "l"), match[0]
        return lines

    def _read(self) -> str:
        try:
            return os.read(self._master, 65536).decode()
        except OSError:  # how Linux says that the other side is closed
            return ""

    @staticmethod
    def _set_size(terminal: int, columns: int, rows: int) -> None:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
