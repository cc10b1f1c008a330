"""What a request can be refused for, as a caller of ours can act on it.

Refusal
├── Invalid       fields break rules: change the request
├── NotThere      no such thing
├── AlreadyThere  the name is taken
└── NotNow        it cannot be done in the state that things are in
"""

from collections.abc import Sequence

from understudy.checks import Violation


class Refusal(Exception):
    """Nothing was done; the message is one line for the one who asked."""


class Invalid(Refusal):
    """Every field that breaks a rule."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(str(found) for found in violations))
        self.violations = list(violations)


class NotThere(Refusal):
    """There is no service or rollout of that name."""


class AlreadyThere(Refusal):
    """There is one of that name."""


class NotNow(Refusal):
    """Another state of things would allow it; the message says which."""
