"""How SQLite keeps its promise: which journal a version of the library can be trusted with.

A write-ahead log costs one sync for a transaction, a rollback journal four. But from 3.7.0 to 3.51.2 the
library could, with two connections, take a log for empty that was not (the WAL-reset bug, mended also in
3.44.6 and 3.50.7): those versions get a rollback journal. Either is synced before a transaction returns. The
rollback journal is kept and its header zeroed, not unlinked: an unlinked file may be back after a power
cut, and would then take back what was acknowledged.
"""

WAL = "WAL"
ROLLBACK = "PERSIST"

Version = tuple[int, ...]
"""As `sqlite3.sqlite_version_info`."""

FIRST_AFFECTED: Version = (3, 7, 0)
FIRST_MENDED: Version = (3, 51, 3)
MENDED_LINES: tuple[Version, ...] = ((3, 44, 6), (3, 50, 7))

KEPT_JOURNAL_BYTES = 4 * 1024 * 1024
"""What a large transaction leaves of its journal."""


def has_wal_reset_bug(version: Version) -> bool:
    """Whether this version of the library can lose pages of a write-ahead log."""
    if not FIRST_AFFECTED <= version < FIRST_MENDED:
        return False
    return not any(version[:2] == line[:2] and version >= line for line in MENDED_LINES)


def journal_for(version: Version) -> str:
    """The journal mode for a version of the library."""
    return ROLLBACK if has_wal_reset_bug(version) else WAL


def pragmas_for(journal: str) -> tuple[str, ...]:
    """What a new connection is set to, in this order; the first write takes the file for it alone."""
    return (
        "locking_mode = EXCLUSIVE",
        f"journal_mode = {journal}",
        f"journal_size_limit = {KEPT_JOURNAL_BYTES}",
        "synchronous = FULL",
        "foreign_keys = ON",
    )
