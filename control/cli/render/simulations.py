"""Many runs of a rollout, as lines."""

import statistics
from collections import Counter
from collections.abc import Sequence

from control.cli.render.text import table
from control.rollout.model import Plan
from control.simulate.figures import End, Ended, Figures

SHOWN = 5
"""Runs that were held, each with what held it."""


def simulation_lines(plan: Plan, total: Figures, ends: Sequence[End]) -> list[str]:
    """How the runs ended, how soon, and where."""
    rows = []
    for ended in Ended:
        mine = [end for end in ends if end.ended is ended]
        minutes = [end.seconds / 60 for end in mine]
        mean = f"{statistics.fmean(minutes):.1f}" if minutes else "n/a"
        where = Counter(end.stage for end in mine).most_common()
        places = ", ".join(f"{stage} ({count})" for stage, count in where)
        rows.append([ended.replace("_", " "), str(len(mine)), f"{len(mine) / total.runs:.1%}", mean, places])
    lines = [f"{plan.name}, gate {plan.gate}: {total.runs} runs", ""]
    lines += table(["ended", "runs", "share", "minutes, mean", "in stage"], rows)
    if total.p90_minutes is not None:
        lines += ["", f"nine of ten that were decided: within {total.p90_minutes:.1f} minutes"]
    held = [end for end in ends if end.ended is Ended.HELD]
    if held:
        lines += ["", "held:"] + [f"  {end.reason or f'stage {end.stage}'}" for end in held[:SHOWN]]
    if len(held) > SHOWN:
        lines.append(f"  and {len(held) - SHOWN} more")
    return lines
