import pytest

from control.store.journal import has_wal_reset_bug, journal_for, pragmas_for


@pytest.mark.parametrize("version", [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 50, 6), (3, 51, 2)])
def test_a_library_that_can_lose_its_log_gets_none(version: tuple[int, ...]) -> None:
    assert has_wal_reset_bug(version)
    assert journal_for(version) == "PERSIST"


@pytest.mark.parametrize("version", [(3, 6, 23), (3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 52, 0), (4, 0, 0)])
def test_a_sound_library_writes_ahead(version: tuple[int, ...]) -> None:
    assert not has_wal_reset_bug(version)
    assert journal_for(version) == "WAL"


@pytest.mark.parametrize("version", [(3, 43, 6), (3, 45, 9), (3, 49, 7)])
def test_lines_between_the_mended_ones_were_not_mended(version: tuple[int, ...]) -> None:
    assert has_wal_reset_bug(version)


def test_every_journal_is_synced() -> None:
    for journal in ("WAL", "PERSIST"):
        assert "synchronous = FULL" in pragmas_for(journal)
