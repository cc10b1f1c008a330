"""What a rollout is asked, and what is decided: the state it comes to, and what must be done for it."""

from dataclasses import dataclass
from enum import StrEnum

from control.rollout.judgements import Verdict
from control.rollout.model import State


class Command(StrEnum):
    """What an operator may ask of a rollout."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote_full"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    SUPERSEDE = "supersede"  # abort for a newer rollout
    RETRY = "retry"
    UNDO = "undo"


class Event(StrEnum):
    """What a transition is called in the audit and in notifications."""

    STARTED = "started"
    STAGE = "stage"  # went on to the next stage by itself
    PROMOTED = "promoted"  # went on because an operator said so
    PAUSED = "paused"
    RESUMED = "resumed"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    SUCCEEDED = "succeeded"
    RETRIED = "retried"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """Bring the traffic of a stage into force."""

    stage: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Make the candidate stable, with all of the traffic."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Bring the service back into force as it was before the rollout."""


Action = SetTraffic | Promote | Restore


@dataclass(frozen=True, slots=True)
class Step:
    """What was decided. `event` is None where nothing happened but the clock, or waiting."""

    state: State
    event: Event | None = None
    actions: tuple[Action, ...] = ()
    verdicts: tuple[Verdict, ...] = ()  # of the stage that was current before the step


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that this rollout cannot take now, and why."""

    reason: str
