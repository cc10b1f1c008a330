import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.cli.screen import Screen, fit, frame, hidden_cursor

WINDOW = os.terminal_size((20, 5))


@given(st.lists(st.text(max_size=60), max_size=20))
def test_lines_that_are_fit_neither_wrap_nor_scroll(lines):
    shown = fit(lines, WINDOW)

    assert len(shown) < WINDOW.lines
    assert all(len(line) < WINDOW.columns and line.isprintable() for line in shown)


def test_lines_beyond_the_window_are_counted():
    assert fit(["1", "2", "3", "4", "5"], WINDOW) == ["1", "2", "3", "... 2 more lines; a"]


def test_the_first_frame_goes_below_what_stands_there():
    assert frame([], ["a", "b"], 20) == "\ra\x1b[K\nb\x1b[K\n\x1b[J"


def test_the_next_frame_goes_back_up_over_the_last():
    assert frame(["a", "b"], ["c"], 20) == "\r\x1b[2Ac\x1b[K\n\x1b[J"


def test_a_narrower_window_has_wrapped_the_last_frame():
    assert frame(["x" * 19, ""], ["c"], 10).startswith("\r\x1b[3A")


def test_what_is_no_terminal_gets_a_usual_windows_size():
    out = io.StringIO()
    screen = Screen(out)
    out.fileno = lambda: -1

    screen.draw(["x" * 200])

    assert out.getvalue() == "\r" + "x" * 79 + "\x1b[K\n\x1b[J"
    assert repr(screen) == "Screen(1 lines)"


def test_the_cursor_is_back_whatever_happens():
    out = io.StringIO()

    with pytest.raises(KeyboardInterrupt), hidden_cursor(out):
        raise KeyboardInterrupt

    assert out.getvalue() == "\x1b[?25l\x1b[?25h"
