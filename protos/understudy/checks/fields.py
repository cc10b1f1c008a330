"""Paths to a field of a message by number, as `7.1` or `4["user_id"].3`.

Numbers, since messages are read off the wire without their descriptors; a step in brackets goes into the
value under one key of a map<string, …>.
"""

import re
from dataclasses import dataclass

from understudy.checks.violation import Violation

MAX_STEPS = 8
MAX_NUMBER = 2**29 - 1  # protobuf's own
_STEP = re.compile(r'([1-9][0-9]{0,8})(?:\["([^"\\]{1,128})"\])?(?:\.(?=.)|$)')


@dataclass(frozen=True, slots=True)
class Step:
    """One field; with a key, the value under that key of a map."""

    number: int
    key: str | None = None


def parse_field(text: str) -> tuple[Step, ...]:
    """Parse a path; a ValueError says what is wrong with it."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise ValueError(
                f'must be field numbers with dots between them, as 7.1 or 4["user_id"].3; '
                f"{text[position:]!r} is none"
            )
        steps.append(Step(int(found[1]), found[2]))
        position = found.end()
    if not steps:
        raise ValueError('must be field numbers with dots between them, as 7.1 or 4["user_id"].3')
    if len(steps) > MAX_STEPS:
        raise ValueError(f"must have at most {MAX_STEPS} steps")
    if any(step.number > MAX_NUMBER for step in steps):
        raise ValueError(f"must have field numbers of at most {MAX_NUMBER}")
    return tuple(steps)


def check_field(text: str, path: str) -> list[Violation]:
    """A path that can be followed."""
    try:
        parse_field(text)
    except ValueError as error:
        return [Violation(path, f"{error}, got {text!r}")]
    return []
