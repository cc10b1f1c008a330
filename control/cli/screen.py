"""Drawing again and again on the same lines of a terminal.

`frame` is the pure part: what to write, given what stands there and how large the window is now.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from typing import TextIO

from control.cli.render.text import printable

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"
_FALLBACK = os.terminal_size((80, 24))


def fit(lines: Sequence[str], size: os.terminal_size) -> list[str]:
    """Lines cut to the window, so that none wraps and the first never scrolls away."""
    columns, rows = max(size.columns - 1, 1), max(size.lines - 1, 1)
    cut = [printable(line)[:columns] for line in lines]
    if len(cut) <= rows:
        return cut
    hidden = len(cut) - rows + 1
    return [*cut[: rows - 1], f"... {hidden} more lines; a higher window shows them"[:columns]]


def frame(before: Sequence[str], lines: Sequence[str], columns: int) -> str:
    """What turns the lines `before` into `lines`, the cursor standing below them both times.

    A window made narrower has wrapped what stood there, so the way up is counted in its present width.
    """
    up = sum(max(1, -(-len(line) // max(columns, 1))) for line in before)
    start = f"\r\x1b[{up}A" if up else "\r"
    return start + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW


class Screen:
    """The lower part of one terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown: list[str] = []

    def __repr__(self) -> str:
        return f"Screen({len(self._shown)} lines)"

    def draw(self, lines: Sequence[str], *, whole: bool = False) -> None:
        """Show `lines` in place of the last ones; `whole` also those that the window has no room for."""
        size = self._size()
        shown = [printable(line) for line in lines] if whole else fit(lines, size)
        self._out.write(frame(self._shown, shown, size.columns))
        self._out.flush()
        self._shown = shown

    def _size(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._out.fileno())
        except OSError:
            return _FALLBACK
        return size if size.columns and size.lines else _FALLBACK


@contextlib.contextmanager
def hidden_cursor(out: TextIO) -> Iterator[None]:
    """No cursor inside; it is back afterwards, also where the process is told to end."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, end)
    out.write(_HIDE_CURSOR)
    try:
        yield
    finally:
        out.write(_SHOW_CURSOR)
        out.flush()
        signal.signal(signal.SIGTERM, previous)
