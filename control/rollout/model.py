"""The values a rollout is made of: its plan, where it stands, what is seen, what is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from control.rollout.criteria import Criterion
from control.rollout.histogram import Histogram


class Phase(StrEnum):
    """Where a rollout stands as a whole."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"

    @property
    def is_final(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.ABORTED)


class Kind(StrEnum):
    """What a stage does to traffic."""

    SHADOW = "shadow"  # copies only
    CANARY = "canary"  # part of the traffic
    FULL = "full"  # all of it


@dataclass(frozen=True, slots=True)
class Stage:
    """One traffic setting and what it must pass. Times in seconds, shares in percent (0 to 100)."""

    name: str
    kind: Kind
    percent: float
    mirror_percent: float
    bake: float
    max_bake: float
    criteria: tuple[Criterion, ...] = ()
    pause: bool = False  # waits for an operator's promote


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout compiled: everything that is fixed when it starts."""

    name: str
    service: str
    route: str
    stable: str
    candidate: str
    stages: tuple[Stage, ...]
    promotes: bool  # ends with the candidate as stable; false for `shadow`
    on_fail: str  # rollback | pause
    on_inconclusive: str  # hold | pause | rollback
    gate: str  # threshold
    min_calls: int
    error_codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class State:
    """Where a rollout stands; stored whole at every transition, and its clock in between.

    `elapsed` and `waited` are seconds that the current stage has baked, or waited for ACKs. They grow by
    the difference between two `now`s of one process (a monotonic clock); `ticked_at` is the last of them
    and None after a restart, so that neither downtime nor a jump of the wall clock counts as baking.
    """

    phase: Phase = Phase.PENDING
    reason: str = ""
    stage: int = 0
    acked: bool = False  # the stage's sidecars have ACKed; its clock runs
    elapsed: float = 0.0
    waited: float = 0.0
    ticked_at: float | None = None


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """Counts of one arm, merged over windows and sidecars."""

    codes: Mapping[str, int] = field(default_factory=dict)
    fallbacks: int = 0
    latency: Histogram = field(default_factory=Histogram)
    slow: Mapping[float, int] = field(default_factory=dict)  # latency bound in seconds -> slower calls
    matched: int = 0
    mismatched: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)  # mirror outcomes


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen of the current stage: who has its snapshot, and what its arms did under it."""

    connected: int = 0
    acked: int = 0
    unconfirmed: tuple[str, ...] = ()  # nodes, with their NACK's reason where they sent one
    stable: ArmEvidence = field(default_factory=ArmEvidence)  # live calls to stable
    candidate: ArmEvidence = field(default_factory=ArmEvidence)  # live calls to the candidate
    mirrored: ArmEvidence = field(default_factory=ArmEvidence)  # copies to the candidate


@dataclass(frozen=True, slots=True)
class Settings:
    """The control service's own part in a rollout's decisions."""

    min_acked: float = 1.0  # share of the connected sidecars, 0 to 1; at least one sidecar always
    ack_timeout: float = 60.0  # seconds
