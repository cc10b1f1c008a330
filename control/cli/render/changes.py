"""What changed between two statuses of a rollout, one line each: `rollout watch` into a pipe or a log."""

import re
from collections.abc import Iterator

from understudy.v1 import rollouts_pb2

from control.cli.render import figures
from control.cli.render.rollout import title

_NUMBER = re.compile(r"\d+(\.\d+)?")


def render_changes(before: rollouts_pb2.RolloutStatus | None, after: rollouts_pb2.RolloutStatus) -> list[str]:
    """The lines for `after`; `before` is None at the first look."""
    if before is None:
        before = rollouts_pb2.RolloutStatus(phase=after.phase, reason=after.reason)
        return [f"{title(after)} ({after.stable} -> {after.rollout.candidate})", *_steps(before, after)]
    return list(_steps(before, after))


def _steps(before: rollouts_pb2.RolloutStatus, after: rollouts_pb2.RolloutStatus) -> Iterator[str]:
    yield from _stages(before, after)
    yield from _sidecars(before, after)
    if before.phase != after.phase or _shape(before.reason) != _shape(after.reason):
        yield title(after)


def _stages(before: rollouts_pb2.RolloutStatus, after: rollouts_pb2.RolloutStatus) -> Iterator[str]:
    old = {each.stage.name: each for each in before.stages}
    for stage in after.stages:
        known = old.get(stage.stage.name, rollouts_pb2.StageStatus(state="pending"))
        name = stage.stage.name
        verdicts = {each.require: each.verdict for each in known.criteria}
        for each in stage.criteria:
            if each.verdict != verdicts.get(each.require, "inconclusive"):
                yield f"{name}: {each.require}: {each.verdict}{_figures(each)}"
        if stage.state != known.state:
            yield f"{name}: {stage.state}{_traffic(stage)}"


def _traffic(stage: rollouts_pb2.StageStatus) -> str:
    if stage.state not in ("waiting", "baking"):
        return ""
    mirror = f", {figures.percent(stage.stage.mirror_percent)} copied" if stage.stage.mirror_percent else ""
    return f" at {figures.percent(stage.stage.percent)} of the traffic{mirror}"


def _figures(criterion: rollouts_pb2.CriterionStatus) -> str:
    if not criterion.HasField("value"):
        return ""
    value = figures.measure(criterion.require, criterion.value)
    if not criterion.HasField("bound"):
        return f" at {value}"
    return f" at {value}, bound {figures.measure(criterion.require, criterion.bound)}"


def _sidecars(before: rollouts_pb2.RolloutStatus, after: rollouts_pb2.RolloutStatus) -> Iterator[str]:
    if (before.acked, before.connected, before.epoch, before.version) != (
        after.acked, after.connected, after.epoch, after.version,
    ):  # fmt: skip
        where = figures.snapshot(after.epoch, after.version)
        count = f"{after.acked} of {after.connected}" if after.connected else "none is connected, none has"
        yield f"sidecars: {count} confirmed snapshot {where}"
    refused = {(each.node, each.error) for each in before.unconfirmed if each.answer == "nack"}
    for each in after.unconfirmed:
        if each.answer == "nack" and (each.node, each.error) not in refused:
            yield f"sidecars: {each.node} refused it: {each.error or 'no reason given'}"


def _shape(reason: str) -> str:
    """A reason without its figures, which move all the time."""
    return _NUMBER.sub("#", reason)
