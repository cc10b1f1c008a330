"""Whether the store can be written: said once when it cannot, and once when it can again.

What could not be written did not happen; who asked for it is told, and those who look by themselves
(rollouts, sidecars with a report) come again.
"""

import logging

from sqlalchemy.exc import DatabaseError

logger = logging.getLogger(__name__)


class Trouble:
    """What keeps the store from being written; empty: nothing does."""

    def __init__(self) -> None:
        self.reason = ""

    def __repr__(self) -> str:
        return f"<Trouble {self.reason or 'none'}>"

    def failed(self, error: DatabaseError) -> None:
        """A transaction failed."""
        reason = describe(error)
        if self.reason != reason:
            logger.error("the store cannot be written; trying again", extra={"reason": reason})
        self.reason = reason

    def written(self) -> None:
        """One was written."""
        if self.reason:
            logger.warning("the store can be written again", extra={"after": self.reason})
        self.reason = ""


def describe(error: DatabaseError) -> str:
    """What SQLite said, in words that say what to do."""
    return explain(str(error.orig))


def explain(said: str) -> str:  # noqa: PLR0911 - one a message
    match said:
        case "database or disk is full":
            return "its disk is full; it goes on by itself when there is room"
        case "disk I/O error":
            return "its disk cannot be written (disk I/O error); it goes on by itself when it can"
        case "unable to open database file":
            return "cannot be opened; its directory must exist and be writable"
        case "attempt to write a readonly database":
            return "is read-only; the control service must be able to write it"
        case "database is locked":
            return "is in use by another process; one control service at a time"
        case "file is not a database":
            return "is not an SQLite database"
        case _:
            return said
