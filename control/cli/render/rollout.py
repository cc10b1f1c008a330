"""A rollout's status as lines: where it stands, its stages, and what each one was judged on."""

from collections.abc import Sequence

from understudy.checks.numbers import seconds
from understudy.v1 import rollouts_pb2, services_pb2

from control.cli.render import figures
from control.cli.render.evidence import arms_table, criteria_table, traces
from control.cli.render.text import INDENT, bar, indented, pairs, table
from control.rollout.model import Phase

NOT_BEGUN = ("pending", "skipped", "")


def is_healthy(status: rollouts_pb2.RolloutStatus) -> bool:
    """Succeeded, or progressing with nothing failed: what exit code 0 means."""
    return status.phase == Phase.SUCCEEDED or (status.phase == Phase.PROGRESSING and not status.failing)


def render_rollout(status: rollouts_pb2.RolloutStatus, now: float, *, every_stage: bool = True) -> list[str]:
    """The whole status; without `every_stage` only the current one is shown in detail."""
    lines = [*_header(status, now), "", *indented(_stage_table(status))]
    for index, stage in enumerate(status.stages):
        if index == status.stage or (every_stage and stage.state not in NOT_BEGUN):
            lines += indented(_evidence(stage))
    return lines + indented(traces(status))


def render_rollouts(statuses: Sequence[rollouts_pb2.RolloutStatus], now: float) -> list[str]:
    """One row each."""
    if not statuses:
        return ["no rollouts; start one with `understudy rollout start -f rollout.yaml`"]
    header = ("NAME", "SERVICE", "CHANGE", "PHASE", "STAGE", "TRAFFIC", "STARTED", "REASON")
    rows = [
        (
            status.rollout.name,
            status.rollout.service,
            f"{status.stable} -> {status.rollout.candidate}",
            status.phase,
            stage_name(status, status.stage),
            figures.percent(status.canary_percentage),
            figures.age(status.started_at, now),
            status.reason,
        )
        for status in statuses
    ]
    return table(header, rows)


def render_plan(status: rollouts_pb2.RolloutStatus, now: float) -> list[str]:
    """A rollout as it was started, defaults filled in: what it will do, not how it goes."""
    plan = status.rollout
    entries = [
        ("service", f"{plan.service}, route {plan.route}" if plan.route else plan.service),
        ("change", _change(status)),
        ("gate", f"{plan.gate}, alpha {figures.ratio(plan.alpha)}" if plan.HasField("alpha") else plan.gate),
        ("on_fail", plan.on_fail),
        ("on_inconclusive", plan.on_inconclusive),
        ("min_calls", str(plan.min_calls) if plan.HasField("min_calls") else ""),
        ("error_codes", ", ".join(plan.error_codes)),
        ("notify", ", ".join(each.url for each in plan.notify)),
        ("started", _started(status, now)),
    ]
    rows = [
        (
            each.stage.name,
            each.kind,
            figures.percent(each.stage.percent),
            figures.percent(each.stage.mirror_percent),
            figures.setting(each.stage.bake),
            figures.setting(each.stage.max_bake),
            each.stage.advance or "-",
            "; ".join(each.stage.require) or "-",
        )
        for each in status.stages
    ]
    header = ("STAGE", "KIND", "TRAFFIC", "MIRROR", "BAKE", "MAX BAKE", "ADVANCE", "REQUIRE")
    return [title(status), *pairs(entries), "", *table(header, rows, INDENT)]


def title(status: rollouts_pb2.RolloutStatus) -> str:
    """Name, phase and why, in one line."""
    reason = f": {status.reason}" if status.reason else ""
    return f"{status.rollout.name}  {status.phase}{reason}"


def stage_name(status: rollouts_pb2.RolloutStatus, index: int) -> str:
    """The name of a stage; its number where the status does not have it."""
    return status.stages[index].stage.name if index < len(status.stages) else str(index + 1)


def bake(stage: rollouts_pb2.StageStatus) -> str:
    """How far a stage's clock has run."""
    whole, done = seconds(stage.stage.bake), seconds(stage.elapsed)
    if whole <= 0:
        return "-"
    if stage.state in NOT_BEGUN:
        return figures.clock(whole)
    text = f"{bar(done / whole)} {figures.clock(done)} of {figures.clock(whole)}"
    is_held = done >= whole and stage.state in ("baking", "paused") and stage.stage.HasField("max_bake")
    return f"{text}, holds up to {figures.setting(stage.stage.max_bake)}" if is_held else text


def _header(status: rollouts_pb2.RolloutStatus, now: float) -> list[str]:
    plan = status.rollout
    entries = [
        ("service", f"{plan.service}, route {plan.route}" if plan.route else plan.service),
        ("change", _change(status)),
        ("traffic", f"{figures.percent(status.canary_percentage)} to {plan.candidate}"),
        ("started", _started(status, now)),
        ("sidecars", _confirmed(status)),
        *(("", _unconfirmed(sidecar)) for sidecar in status.unconfirmed),
    ]
    return [title(status), *pairs(entries)]


def _change(status: rollouts_pb2.RolloutStatus) -> str:
    strategy = status.rollout.WhichOneof("strategy")
    old = _labelled(status.stable, status.stable_version)
    new = _labelled(status.rollout.candidate, status.canary_version)
    return f"{old} -> {new}" + (f", {strategy}" if strategy else "")


def _labelled(variant: str, version: str) -> str:
    return f"{variant} ({version})" if version else variant


def _started(status: rollouts_pb2.RolloutStatus, now: float) -> str:
    if not status.HasField("started_at"):
        return ""
    if not status.HasField("ended_at"):
        return f"{figures.moment(status.started_at)}, {figures.age(status.started_at, now)}"
    ran = figures.clock(status.ended_at.seconds - status.started_at.seconds)
    return f"{figures.moment(status.started_at)}, ended {figures.moment(status.ended_at)} after {ran}"


def _confirmed(status: rollouts_pb2.RolloutStatus) -> str:
    if not status.connected:
        return "none connected"
    where = figures.snapshot(status.epoch, status.version)
    return f"{status.acked} of {status.connected} confirmed snapshot {where}"


def _unconfirmed(sidecar: services_pb2.SidecarStatus) -> str:
    """Who has not confirmed, and why."""
    runs = f"; runs {figures.snapshot(sidecar.epoch, sidecar.version)}"
    if sidecar.answer == "nack":
        return f"{sidecar.node} refused it: {sidecar.error or 'no reason given'}{runs}"
    return f"{sidecar.node} has not answered{runs}"


def _stage_table(status: rollouts_pb2.RolloutStatus) -> list[str]:
    rows = [
        (
            ">" if index == status.stage else "",
            each.stage.name,
            each.kind,
            each.state or "pending",
            figures.percent(each.stage.percent),
            figures.percent(each.stage.mirror_percent) if each.stage.mirror_percent else "-",
            bake(each) + (", waits for promote" if each.stage.pause else ""),
        )
        for index, each in enumerate(status.stages)
    ]
    return table(("", "STAGE", "KIND", "STATE", "TRAFFIC", "MIRROR", "BAKE"), rows)


def _evidence(stage: rollouts_pb2.StageStatus) -> list[str]:
    """What a stage is judged on, under its name."""
    parts = [part for part in (criteria_table(stage.criteria), arms_table(stage.arms)) if part]
    if not parts:
        return []
    lines = ["", f"{stage.stage.name}"]
    for part in parts:
        lines += indented(part)
    return lines
