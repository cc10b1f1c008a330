"""The four strategies as lists of stages, before a stage is checked.

    progressive   its stages as written, and all traffic at the end
    canary        initial_percent, then increment_percent more every interval up to max_percent, then all
    shadow        one stage of copies only
    blue_green    a warm-up without traffic where it is asked for, then all at once

A draft knows where in the file its fields come from, so that what is wrong with it can be said there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from understudy.checks import Violation, join
from understudy.checks.numbers import check_positive_duration, check_range, seconds
from understudy.v1 import rollout_pb2

from control.rollout.model import Kind

MAX_STAGES = 100
HOLD = 4.0
"""max_bake is this many bakes where it is not set."""

DEFAULT_INTERVAL = 300.0
DEFAULT_KEEP_OLD = 3600.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A stage that one strategy asks for; `path` is the message that its fields stand in."""

    path: str
    name: str
    percent: float
    mirror_percent: float
    bake: float = 0.0
    max_bake: float | None = None
    require: tuple[str, ...] = ()
    pause: bool = False
    advance: str = ""
    may_idle: bool = False  # may pass without giving the candidate anything to do

    @property
    def kind(self) -> Kind:
        if self.percent <= 0:
            return Kind.SHADOW
        return Kind.FULL if self.percent >= 100 else Kind.CANARY


def drafts_of(rollout: rollout_pb2.Rollout, path: str = "") -> tuple[list[Draft], list[Violation]]:
    """The stages that the rollout's strategy asks for, or what is wrong with its own fields."""
    match rollout.WhichOneof("strategy"):
        case "progressive":
            return _progressive(rollout.progressive, join(path, "progressive"))
        case "canary":
            return _canary(rollout.canary, join(path, "canary"))
        case "shadow":
            return _shadow(rollout.shadow, join(path, "shadow"))
        case "blue_green":
            return _blue_green(rollout.blue_green, join(path, "blue_green"))
        case _:
            text = "must have one strategy: progressive, canary, shadow or blue_green"
            return [], [Violation(join(path, "strategy"), text)]


def _full(path: str, taken: Sequence[str] = ()) -> Draft:
    name = "full" if "full" not in taken else "full-100"
    return Draft(path, name, 100.0, 0.0, may_idle=True)


def _progressive(message: rollout_pb2.Progressive, path: str) -> tuple[list[Draft], list[Violation]]:
    stages = join(path, "stages")
    if not message.stages:
        return [], [Violation(stages, "must have at least one stage")]
    if len(message.stages) > MAX_STAGES:
        return [], [Violation(stages, f"must be at most {MAX_STAGES} stages, got {len(message.stages)}")]
    drafts, violations = [], []
    for index, stage in enumerate(message.stages):
        field = f"{stages}[{index}]"
        drafts.append(_draft(stage, field))
        for duration in ("bake", "max_bake"):
            violations += check_positive_duration(stage, duration, field)
        is_last_full = index == len(message.stages) - 1 and drafts[-1].kind is Kind.FULL
        if not stage.HasField("bake"):
            violations += _check_unbaked(stage, field, may_be=is_last_full or stage.pause)
    last = drafts[-1]
    if last.kind is Kind.SHADOW:
        text = "must be above 0 in the last stage: the candidate is promoted after it; use `shadow` to stop"
        violations.append(Violation(join(last.path, "percent"), text))
    elif last.kind is Kind.CANARY:
        drafts.append(_full(path, [draft.name for draft in drafts]))
    return drafts, violations


def _draft(stage: rollout_pb2.Stage, path: str) -> Draft:
    draft = Draft(
        path=path,
        name=stage.name,
        percent=stage.percent,
        mirror_percent=stage.mirror_percent,
        bake=seconds(stage.bake),
        max_bake=_max_bake(stage),
        require=tuple(stage.require),
        pause=stage.pause,
        advance=stage.advance,
        may_idle=stage.pause,
    )
    return draft if stage.name else replace(draft, name=_default_name(draft))


def _max_bake(
    message: rollout_pb2.Stage | rollout_pb2.Canary | rollout_pb2.Shadow | rollout_pb2.BlueGreen,
) -> float | None:
    return seconds(message.max_bake) if message.HasField("max_bake") else None


def _default_name(draft: Draft) -> str:
    match draft.kind:
        case Kind.SHADOW:
            return f"shadow-{draft.mirror_percent:g}"
        case Kind.CANARY:
            return f"canary-{draft.percent:g}"
        case Kind.FULL:
            return "full"


def _check_unbaked(stage: rollout_pb2.Stage, path: str, *, may_be: bool) -> list[Violation]:
    if stage.require:
        return [Violation(join(path, "bake"), "is required where require is set: it is judged at its end")]
    if stage.HasField("max_bake"):
        return [Violation(join(path, "bake"), "is required where max_bake is set")]
    if not may_be:
        return [Violation(join(path, "bake"), "is required for every stage but the last full one")]
    return []


def _canary(message: rollout_pb2.Canary, path: str) -> tuple[list[Draft], list[Violation]]:
    initial = message.initial_percent if message.HasField("initial_percent") else 5.0
    increment = message.increment_percent if message.HasField("increment_percent") else 10.0
    last = message.max_percent if message.HasField("max_percent") else 100.0
    violations = check_positive_duration(message, "interval", path)
    violations += check_positive_duration(message, "max_bake", path)
    shares = {"initial_percent": initial, "increment_percent": increment, "max_percent": last}
    for field, value in shares.items():
        found = check_range(value, 0, 100, join(path, field))
        if not found and value == 0:
            found = [Violation(join(path, field), "must be above 0")]
        violations += found
    if not violations and initial >= 100:
        violations.append(Violation(join(path, "initial_percent"), "must be below 100 to be a canary"))
    if not violations and last < initial:
        text = f"must not be below initial_percent ({initial:g}), got {last:g}"
        violations.append(Violation(join(path, "max_percent"), text))
    if not violations and (last - initial) / increment > MAX_STAGES - 2:
        text = f"must make at most {MAX_STAGES} stages of {initial:g} to {last:g}, got {increment:g}"
        violations.append(Violation(join(path, "increment_percent"), text))
    if violations:
        return [], violations
    interval = seconds(message.interval) if message.HasField("interval") else DEFAULT_INTERVAL
    steps = [
        Draft(path, f"canary-{share:g}", share, 0.0, interval, _max_bake(message), tuple(message.require))
        for share in _steps(initial, increment, last)
    ]
    return [*steps, _full(path)], []


def _steps(initial: float, increment: float, last: float) -> list[float]:
    """The shares below 100: all traffic is no canary any more."""
    shares: list[float] = []
    share = initial
    while share < last:
        shares.append(share)
        share = round(initial + len(shares) * increment, 6)
    return shares if last >= 100 else [*shares, last]


def _shadow(message: rollout_pb2.Shadow, path: str) -> tuple[list[Draft], list[Violation]]:
    percent = message.mirror_percent if message.HasField("mirror_percent") else 100.0
    violations = check_positive_duration(message, "bake", path)
    violations += check_positive_duration(message, "max_bake", path)
    if not message.HasField("bake"):
        violations.append(Violation(join(path, "bake"), "is required: how long to copy"))
    if percent == 0:
        violations.append(Violation(join(path, "mirror_percent"), "must be above 0: copies are judged"))
    bake, longest = seconds(message.bake), _max_bake(message)
    draft = Draft(path, "shadow", 0.0, percent, bake, longest, require=tuple(message.require))
    return [draft], violations


def _blue_green(message: rollout_pb2.BlueGreen, path: str) -> tuple[list[Draft], list[Violation]]:
    violations = check_positive_duration(message, "bake", path)
    violations += check_positive_duration(message, "keep_old", path)
    violations += check_positive_duration(message, "max_bake", path)
    if message.require and message.mirror_percent == 0:
        text = "is required where require is set: before the switch, copies are all that can be judged"
        violations.append(Violation(join(path, "mirror_percent"), text))
    if not message.HasField("bake"):
        if message.HasField("max_bake"):
            violations.append(Violation(join(path, "bake"), "is required where max_bake is set"))
        if message.mirror_percent or message.require:
            text = "is required where mirror_percent or require is set: how long the candidate warms"
            violations.append(Violation(join(path, "bake"), text))
        return [_full(path)], violations
    bake = seconds(message.bake)
    warm = Draft(
        path,
        "warm",
        0.0,
        message.mirror_percent,
        bake,
        _max_bake(message),
        require=tuple(message.require),
        may_idle=True,
    )
    return [warm, _full(path)], violations
