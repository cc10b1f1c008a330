"""What the store refuses.

StoreRefused
├── Conflict       somebody else changed it first; read again and decide again
├── ActiveRollout  the service has a rollout under way
└── NameTaken      a rollout of that name is there already
"""


class StoreRefused(Exception):
    """Nothing was written."""


class Conflict(StoreRefused):
    """The version that was decided on is not the one in the store."""


class ActiveRollout(StoreRefused):
    """A service takes one rollout at a time."""

    def __init__(self, name: str) -> None:
        super().__init__(f"rollout {name} is under way")
        self.name = name


class NameTaken(StoreRefused):
    """Names of rollouts are unique for ever."""
