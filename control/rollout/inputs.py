"""What a decision was made on, kept with it so that it can be made again: `replayed` makes it.

The evidence itself is not in here: it is every row up to an arrival number, and rows are only ever appended.
Who had which snapshot, and the clock, were nowhere else and are.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from control.rollout import machine
from control.rollout.accumulation import Row, grown
from control.rollout.decisions import Command, Refused, Step
from control.rollout.model import Observation, Plan, Settings, State
from control.rollout.records import state_from_json, state_to_json

METHOD = 3
"""Grows with every change by which the same inputs could come to another decision."""

Snapshot = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything but the plan and the evidence."""

    state: State  # before the decision
    now: float  # by the monotonic clock of the process that decided
    settings: Settings
    asked: Command | None = None  # None: it was decided by itself
    begun: Snapshot | None = None  # where the rollout's evidence begins
    first: Snapshot | None = None  # that carried the current stage
    connected: int = 0
    acked: int = 0
    unconfirmed: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    arrival: int = 0  # the newest row that was seen
    method: int = METHOD


def inputs_to_json(inputs: Inputs) -> dict[str, Any]:
    """Values that JSON can hold."""
    plain = {name: getattr(inputs, name) for name in Inputs.__dataclass_fields__}
    plain["state"] = state_to_json(inputs.state) | {"ticked_at": inputs.state.ticked_at}
    return plain | {"settings": asdict(inputs.settings)}


def inputs_from_json(values: dict[str, Any]) -> Inputs:
    """The inputs that were written."""
    state = replace(state_from_json(values["state"]), ticked_at=values["state"]["ticked_at"])
    kept = values | {
        "state": state,
        "settings": Settings(**values["settings"]),
        "asked": values["asked"] and Command(values["asked"]),
        "unconfirmed": tuple(values["unconfirmed"]),
        "dead": tuple(values.get("dead", ())),
    }
    for name in ("begun", "first"):
        kept[name] = values[name] and tuple(values[name])
    return Inputs(**kept)


def observed(plan: Plan, inputs: Inputs, rows: Sequence[Row]) -> Observation:
    """What was seen, from the rows that had arrived."""
    if inputs.first is None or inputs.begun is None:
        return Observation()
    begun, after = inputs.begun, inputs.state.after
    return grown(
        plan,
        Observation(),
        [row for row in rows if after < row.arrival <= inputs.arrival and row.snapshot >= begun],
        since=inputs.first,
        connected=inputs.connected,
        acked=inputs.acked,
        unconfirmed=inputs.unconfirmed,
        dead=inputs.dead,
    )


def replayed(plan: Plan, inputs: Inputs, observation: Observation) -> Step | Refused:
    """The decision, made again."""
    if inputs.asked is not None:
        return machine.command(plan, inputs.state, inputs.asked, inputs.now, inputs.arrival)
    return machine.step(plan, inputs.state, observation, inputs.settings, inputs.now)
