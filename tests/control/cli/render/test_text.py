from hypothesis import given
from hypothesis import strategies as st

from control.cli.render.text import bar, pairs, printable, table


def test_columns_are_as_wide_as_their_widest_cell():
    lines = table(("NAME", "N"), [("a", "1"), ("longer", "22")], indent="  ")

    assert lines == ["  NAME    N", "  a       1", "  longer  22"]


def test_pairs_without_a_value_are_left_out():
    assert pairs([("name", "x"), ("nothing", ""), ("no", "y")]) == ["  name  x", "  no    y"]


@given(st.floats(-1, 2), st.integers(1, 60))
def test_a_bar_has_its_width_and_is_full_only_when_done(done, width):
    drawn = bar(done, width)

    assert len(drawn) == width + 2
    assert ("-" not in drawn) == (done >= 1)


def test_what_a_terminal_would_obey_is_shown_as_a_question_mark():
    assert printable("ok \x1b[2J\r\nétat") == "ok ?[2J??état"
