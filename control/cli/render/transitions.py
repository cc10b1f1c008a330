"""A rollout's past as lines: every step, and what it was decided on."""

from collections.abc import Sequence

from understudy.v1 import rollouts_pb2

from control.cli.render import figures
from control.cli.render.evidence import arms_table, criteria_table, tests_table
from control.cli.render.text import indented, table

_NOTHING = "nothing has happened yet"


def render_history(transitions: Sequence[rollouts_pb2.Transition], stages: Sequence[str]) -> list[str]:
    """One row a step; `stages` are the names of the rollout's stages."""
    if not transitions:
        return [_NOTHING]
    rows = [
        (
            str(each.sequence),
            figures.moment(each.time),
            _who(each),
            each.event,
            _step(each.from_phase, each.to_phase),
            _step(_name(stages, each.from_stage), _name(stages, each.to_stage)),
            figures.snapshot(each.epoch, each.version),
            each.reason,
        )
        for each in transitions
    ]
    return table(("#", "TIME", "BY", "EVENT", "PHASE", "STAGE", "SNAPSHOT", "REASON"), rows)


def render_explanation(transitions: Sequence[rollouts_pb2.Transition], stages: Sequence[str]) -> list[str]:
    """A paragraph a step, with the evidence it was decided on."""
    lines: list[str] = []
    for each in transitions:
        lines += [""] if lines else []
        lines.append(f"{each.sequence}. {figures.moment(each.time)}  {each.event}, by {_who(each)}")
        phase = _step(each.from_phase, each.to_phase)
        stage = _step(_name(stages, each.from_stage), _name(stages, each.to_stage))
        lines.append(f"   {phase}, stage {stage}, snapshot {figures.snapshot(each.epoch, each.version)}")
        lines += [f"   {each.reason}"] if each.reason else []
        if each.unconfirmed:
            lines.append(f"   not confirmed by {', '.join(each.unconfirmed)}")
        if each.HasField("evidence_until"):
            window = f"{figures.moment(each.evidence_from)} to {figures.moment(each.evidence_until)}"
            lines.append(f"   evidence of the stage: {window}, up to row {each.arrival}")
        for part in (criteria_table(each.criteria), tests_table(each.criteria), arms_table(each.arms)):
            lines += ["", *indented(part, "     ")] if part else []
    return lines or [_NOTHING]


def _who(transition: rollouts_pb2.Transition) -> str:
    return f"{transition.actor} ({transition.by})" if transition.by else transition.actor


def _step(old: str, new: str) -> str:
    return f"{old} -> {new}" if old and old != new else new


def _name(stages: Sequence[str], index: int) -> str:
    return stages[index] if index < len(stages) else str(index + 1)


def render_replay(decisions: Sequence[rollouts_pb2.ReplayedDecision]) -> list[str]:
    """One row a decision, and what they say together."""
    if not decisions:
        return [_NOTHING]
    rows = [
        (
            str(each.sequence),
            each.event,
            str(each.arrival),
            str(each.rows),
            "same" if each.same else f"different: {each.difference}",
        )
        for each in decisions
    ]
    others = sum(not each.same for each in decisions)
    said = f"{others} of {len(rows)} come out differently" if others else f"all {len(rows)} come out the same"
    return [*table(("#", "EVENT", "ARRIVAL", "ROWS", "DECIDED AGAIN"), rows), "", said]
