"""Paths of field numbers: what is read, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.checks.fields import Step, check_field, parse_field

NUMBERS = st.integers(1, 2**29 - 1)
KEYS = st.none() | st.text(
    st.characters(exclude_characters='"\\\n', exclude_categories=["Cs"]), min_size=1, max_size=20
)


def text_of(step: Step) -> str:
    return str(step.number) if step.key is None else f'{step.number}["{step.key}"]'


@given(st.lists(st.builds(Step, NUMBERS, KEYS), min_size=1, max_size=8))
def test_every_path_is_read_as_it_was_written(steps: list[Step]) -> None:
    assert parse_field(".".join(map(text_of, steps))) == tuple(steps)


@pytest.mark.parametrize(
    "text",
    ["", ".", "0", "01", "1.", ".1", "1..2", "a", "user.id", "1[user]", '1["a]', '1[""]', '1["a"]2',
     "536870912", "1.2.3.4.5.6.7.8.9", "-1", "1 .2", "١"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_text(text: str) -> None:
    (violation,) = check_field(text, "here")

    assert violation.field == "here"
    assert repr(text) in violation.description


@given(st.text())
def test_no_text_is_a_surprise(text: str) -> None:
    assert len(check_field(text, "here")) <= 1
