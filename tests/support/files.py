"""What `understudy lint` says of one file, and the message in it."""

import pathlib
from typing import Any

from understudy.loading import load_document

from control.cli.lint import examine


def load(path: pathlib.Path) -> Any:
    """The message of a file of any kind."""
    return load_document(path).message


def check(path: pathlib.Path) -> list[str]:
    """What is wrong with a file."""
    (finding,) = examine([path])
    return list(finding.problems)
