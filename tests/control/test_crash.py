"""The control service killed by SIGKILL at its writes: every tenth here, every one by `make soak-crash`."""

import pathlib

import pytest

from tests.support.lives import killed_at

EVERY = 10
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_rollout_ends_as_it_would_have_wherever_the_process_was_killed(
    tmp_path: pathlib.Path, part: int
) -> None:
    unharmed = tmp_path / "unharmed"
    unharmed.mkdir()
    writes = await killed_at(unharmed, 0)
    assert writes > 100
    for last in range(1 + EVERY * part, writes + 1, EVERY * PARTS):
        directory = tmp_path / str(last)
        directory.mkdir()
        await killed_at(directory, last)
