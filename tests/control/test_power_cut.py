"""Power that fails at any write or sync of a whole canary: nothing answered is lost, nothing is corrupt.

The writes are those of the real process and the real SQLite, as strace saw them. Where there is no strace
there is no such test: it says so, and in CI it fails.
"""

import os
import pathlib

import pytest

from tests.support.power_cut import STRACE, cut_everywhere, trace

pytestmark = pytest.mark.skipif(
    STRACE is None and "CI" not in os.environ, reason="needs strace, to see what SQLite writes and syncs"
)


@pytest.mark.parametrize("journal", ["PERSIST", "WAL"])
async def test_nothing_that_was_answered_is_lost(tmp_path: pathlib.Path, journal: str) -> None:
    calls = await trace(tmp_path, journal)
    assert sum(call.name == "fdatasync" for call in calls) > 20
    found = cut_everywhere(calls, tmp_path / "left")
    assert min(found.states.values()) > 200
    assert found.wrong == []


async def test_a_store_that_does_not_sync_is_found_out(tmp_path: pathlib.Path) -> None:
    calls = await trace(tmp_path, "WAL", "OFF")
    assert cut_everywhere(calls, tmp_path / "left", every=10).wrong != []
