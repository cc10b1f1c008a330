"""Where a rollout stands, as plain values for a store, and back.

Only the state is written. A plan is compiled again from the rollout's message and the service as it was
before the rollout, both stored when it starts and unchanged since: the compiler is a pure function of them.
Monotonic clocks do not outlive their process, so a state that is read back has no `ticked_at`.
"""

from dataclasses import asdict, replace
from typing import Any

from control.rollout.model import Cause, Ending, Phase, StageEnd, State

FORMAT = 1


class UnknownFormat(ValueError):
    """A record that another version of this program wrote."""


def state_to_json(state: State) -> dict[str, Any]:
    """Values that JSON can hold."""
    return {"format": FORMAT, **asdict(replace(state, ticked_at=None))}


def state_from_json(values: dict[str, Any]) -> State:
    """The state that was written; UnknownFormat where it was not written by this format."""
    if values.get("format") != FORMAT:
        raise UnknownFormat(f"must be a rollout's state of format {FORMAT}, got {values.get('format')!r}")
    return State(
        phase=Phase(values["phase"]),
        reason=values["reason"],
        stage=values["stage"],
        acked=values["acked"],
        elapsed=values["elapsed"],
        waited=values["waited"],
        since=values["since"],
        after=values.get("after", 0),
        cause=None if values["cause"] is None else Cause(values["cause"]),
        ended=tuple(StageEnd(Ending(end["ending"]), end["elapsed"]) for end in values["ended"]),
    )
