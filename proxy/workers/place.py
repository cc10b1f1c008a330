"""Which of a sidecar's processes one is."""

import os
import pathlib
from dataclasses import dataclass

MOST = 64
"""Workers of a sidecar."""


@dataclass(frozen=True, slots=True)
class Place:
    """The `number`th `of` so many workers; `directory` is where they are known by their process ids."""

    number: int = 0
    of: int = 1
    directory: pathlib.Path = pathlib.Path()

    def socket(self, process: int) -> str:
        """Where the worker of that process id has its admin door."""
        return f"unix:{self.directory}/{process}.sock"

    def family(self) -> frozenset[int]:
        """The process ids of the whole sidecar's workers, this one's among them."""
        try:
            found = list(self.directory.iterdir()) if self.of > 1 else []
        except FileNotFoundError:
            found = []  # the parent is gone, and whoever was last has cleared up
        return frozenset({os.getpid(), *(int(one.stem) for one in found if one.suffix == ".sock")})


ONLY = Place()
"""A sidecar of one process."""
