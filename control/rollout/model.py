"""The values a rollout is made of: its plan, where it stands, what is seen, what is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from understudy.v1 import service_pb2

from control.rollout.criteria import Criterion
from control.rollout.histogram import Histogram
from control.rollout.judgements import Proof
from control.rollout.sample_ratio import Split

DEFAULT_ERROR_CODES = frozenset(
    {
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)
DEFAULT_MIN_CALLS = 50
ON_FAIL = ("rollback", "pause")
ON_INCONCLUSIVE = ("hold", "pause", "rollback")
DEFAULT_ALPHA = 0.05


class Gate(StrEnum):
    """How criteria are judged."""

    SEQUENTIAL = "sequential"  # tests that are valid however often they look
    THRESHOLD = "threshold"  # the measured values, looked at once, at the end of a bake


class Advance(StrEnum):
    """What the end of a stage's bake needs."""

    UNLESS_FAILED = "unless_failed"  # no failure, and min_calls of evidence
    PROVEN = "proven"  # every criterion passed that can still gain evidence


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
    bake: float  # 0: ends as soon as its sidecars have ACKed
    max_bake: float
    criteria: tuple[Criterion, ...] = ()
    pause: bool = False  # waits for an operator's promote
    advance: Advance = Advance.UNLESS_FAILED
    due: tuple[
        Criterion, ...
    ] = ()  # on copies, of any stage so far: proven at this one's end, the last to send any


@dataclass(frozen=True, slots=True)
class External:
    """A metric of another system: what is forgiven of its readings in one stage."""

    failure_limit: int = 0  # readings beyond the bound
    silence_fails: bool = False  # no answer counts as one


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout compiled: everything that is fixed when it starts."""

    name: str
    service: str
    strategy: str  # progressive | canary | shadow | blue_green
    route: str
    stable: str
    candidate: str
    stages: tuple[Stage, ...]
    has_noise_twin: bool = False  # a second copy of what serves the route tells how it disagrees with itself
    promotes: bool = True  # ends with the candidate as stable; false for `shadow`
    on_fail: str = "rollback"  # rollback | pause
    on_inconclusive: str = "hold"  # hold | pause | rollback
    gate: Gate = Gate.SEQUENTIAL
    alpha: float = DEFAULT_ALPHA
    warmup: float = 0.0  # seconds in which a sidecar's first calls to the candidate count for nothing
    warmup_calls: int = 0
    min_calls: int = DEFAULT_MIN_CALLS
    error_codes: frozenset[str] = DEFAULT_ERROR_CODES
    external: Mapping[str, External] = field(default_factory=dict)  # by name
    checks_split: bool = True  # a split that is not the one asked for pauses
    compare: service_pb2.Compare | None = None  # None: as the route's own mirror to the candidate says
    mirror_deadline: float | None = None  # seconds; None: as that mirror says
    keep_old: float | None = None  # seconds the old variant stays configured; None: for good


class Cause(StrEnum):
    """Why a rollout is paused: what a resume must grant anew."""

    OPERATOR = "operator"
    STAGE = "stage"  # the stage says `pause: true`
    ACKS = "acks"  # sidecars did not confirm in time
    FAILED = "failed"  # a criterion failed, and on_fail is pause
    INCONCLUSIVE = "inconclusive"  # proof was due and missing
    SAMPLE_RATIO = "sample_ratio"  # the split that is observed is not the one that was asked for


class Ending(StrEnum):
    """How a stage ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"  # an operator went on, or gave up, before it was decided


@dataclass(frozen=True, slots=True)
class StageEnd:
    """A stage that is over: how it ended, and the seconds it had baked."""

    ending: Ending
    elapsed: float


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
    since: float = 0.0  # `elapsed` when the bake that is judged next began: a resume may grant another
    cause: Cause | None = None  # while paused
    after: int = 0  # arrival number: what came up to it counts for nothing, since an operator said so
    ended: tuple[StageEnd, ...] = ()  # stages 0, 1, … that are over; in a final phase the last one too
    ticked_at: float | None = None


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """Counts of one arm, merged over windows and sidecars."""

    codes: Mapping[str, int] = field(default_factory=dict)
    fallbacks: int = 0
    latency: Histogram = field(default_factory=Histogram)
    slow: Mapping[float, int] = field(default_factory=dict)  # latency bound in seconds -> slower calls
    beside: Mapping[float, int] = field(default_factory=dict)  # held against it beside those of `latency`
    outcomes: Mapping[str, int] = field(default_factory=dict)  # mirror outcomes
    right: int = 0  # of `labelled` predictions
    labelled: int = 0
    scored: int = 0
    score_sum: float = 0.0

    @property
    def matched(self) -> int:
        return self.outcomes.get("match", 0)

    @property
    def mismatched(self) -> int:
        return self.outcomes.get("mismatch", 0)


@dataclass(frozen=True, slots=True)
class Warmth:
    """How far the candidate has warmed up: since when by each sidecar's clock, and after how many calls."""

    since: Mapping[str, float] = field(default_factory=dict)  # by node
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen of the current stage: who has its snapshot, and what its arms did under it."""

    connected: int = 0
    acked: int = 0
    unconfirmed: tuple[str, ...] = ()  # nodes, with their NACK's reason where they sent one
    dead: tuple[str, ...] = ()  # nodes that cannot reach the candidate now, with the reason
    stable: ArmEvidence = field(default_factory=ArmEvidence)  # live calls to stable
    candidate: ArmEvidence = field(default_factory=ArmEvidence)  # live calls to the candidate
    mirrored: ArmEvidence = field(default_factory=ArmEvidence)  # copies to the candidate
    noise: ArmEvidence = field(default_factory=ArmEvidence)  # copies to a twin of what served the call
    # By external metric, as they were read in this stage; a text says why there was no answer.
    readings: Mapping[str, tuple[float | str, ...]] = field(default_factory=dict)
    earlier: Mapping[str, int] = field(default_factory=dict)  # by arm: calls of the rollout's earlier stages
    proofs: Mapping[tuple[str, str], Proof] = field(default_factory=dict)  # by sentence and arm
    warmth: Warmth = field(default_factory=Warmth)
    split: Split = field(default_factory=Split)
    # The newest window of an arm at a node that had calls: its end, calls, and how many of them failed.
    newest: Mapping[tuple[str, str], tuple[float, int, int]] = field(default_factory=dict)
    span: tuple[float, float] | None = None  # of the stage's windows, by the sidecars' clocks
    arrival: int = 0  # of the newest row


@dataclass(frozen=True, slots=True)
class Settings:
    """The control service's own part in a rollout's decisions."""

    min_acked: float = 1.0  # share of the connected sidecars, 0 to 1; at least one sidecar always
    ack_timeout: float = 60.0  # seconds
    longest_tick: float = 60.0  # seconds between two steps that count; what is beyond was no baking
