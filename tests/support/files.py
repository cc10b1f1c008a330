"""What `understudy lint` asks of one file, by its kind."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from understudy.checks import Violation
from understudy.checks.control import check_control
from understudy.checks.service import check_service
from understudy.checks.sidecar import check_sidecar
from understudy.loading import load_document

from control.rollout.strategies import check_rollout

CHECKS: dict[str, Callable[[Any], Sequence[Violation]]] = {
    "Sidecar": check_sidecar,
    "Control": check_control,
    "Service": check_service,
    "Rollout": check_rollout,
}


def load(path: pathlib.Path) -> Any:
    """The message of a file of any kind."""
    return load_document(path).message


def check(path: pathlib.Path) -> list[str]:
    """What is wrong with a file that parses."""
    document = load_document(path)
    return document.problems(CHECKS[document.kind](document.message))
