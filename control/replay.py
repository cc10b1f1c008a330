"""Makes every decision of a rollout again, from the evidence that is stored, and compares.

The same rows, clock and fleet must come to the same step, with the same figures: a row that was changed or
is gone, or a program that judges differently, shows as a difference.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from understudy.v1 import rollouts_pb2, service_pb2

from control.refusals import NotThere
from control.rollout.accumulation import Row
from control.rollout.decisions import Refused
from control.rollout.inputs import METHOD, Inputs, inputs_from_json, observed, replayed
from control.rollout.strategies import InvalidRollout, compile_rollout
from control.store.records import StoredDecision, StoredRollout
from control.store.store import Store
from control.times import to_seconds
from control.transitions import Standing, transition_of

ELSEWHERE = ("sequence", "epoch", "version", "by")
"""Not decided, but given by the store, or by who asked."""

AS_GOOD_AS_EQUAL = 1e-9
"""Sums of the same numbers, parted among looks in another way."""


class Replay:
    """Decisions of a store, made again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, name: str) -> list[rollouts_pb2.ReplayedDecision]:
        """Every transition of a rollout, oldest first."""
        stored = await self._store.rollouts.find(name)
        if stored is None:
            raise NotThere(f"no rollout is called {name!r}")
        steps = await self._store.rollouts.transitions(name)
        decided = await self._store.rollouts.decisions(name)
        route = stored.message.route  # filled in when it was started
        arrived = await self._store.evidence.since(stored.service, route, first=(0, 0), after=0)
        rows = [Row(row.evidence, row.node, row.start, row.end, row.arrival) for row in arrived]
        base = decided[1].base if 1 in decided else stored.base
        made = []
        for step in steps:
            decision = decided.get(step.sequence)
            made.append(_made_again(stored, base, step, decision, rows))
            base = decision.base if decision else base
        return made


def _made_again(
    stored: StoredRollout,
    base: service_pb2.Service,
    step: rollouts_pb2.Transition,
    decision: StoredDecision | None,
    rows: Sequence[Row],
) -> rollouts_pb2.ReplayedDecision:
    result = rollouts_pb2.ReplayedDecision(sequence=step.sequence, event=step.event, arrival=step.arrival)
    if decision is None:
        result.difference = "it was decided by a version that did not keep its inputs"
        return result
    inputs = inputs_from_json(decision.inputs)
    if inputs.method != METHOD:
        result.difference = f"it was decided by method {inputs.method}; this version has method {METHOD}"
        return result
    again = _transition(stored, base, step, inputs, rows)
    if isinstance(again, str):
        result.difference = again
        return result
    result.rows = sum(inputs.state.after < row.arrival <= inputs.arrival for row in rows)
    result.difference = "; ".join(_differences(_plain(step), _plain(again)))
    result.same = not result.difference
    if result.difference and stored.evidence_gone:
        result.difference = f"its evidence is kept no longer; {result.difference}"
    return result


def _transition(
    stored: StoredRollout,
    base: service_pb2.Service,
    step: rollouts_pb2.Transition,
    inputs: Inputs,
    rows: Sequence[Row],
) -> rollouts_pb2.Transition | str:
    """The step as it comes out now; why it does not, otherwise."""
    try:
        plan = compile_rollout(stored.message, base, stored.name)
    except InvalidRollout as error:
        return f"the rollout cannot be compiled any more: {error}"
    observation = observed(plan, inputs, rows)
    decided = replayed(plan, inputs, observation)
    if isinstance(decided, Refused):
        return f"it would be refused: {decided.reason}"
    if decided.event is None:
        return f"nothing would be decided; it was {step.event}: {step.reason}"
    standing = Standing(_before(stored, inputs), plan, inputs.first, observation, inputs.arrival)
    return transition_of(standing, decided, decided.event, step.actor, to_seconds(step.time))


def _before(stored: StoredRollout, inputs: Inputs) -> StoredRollout:
    """The rollout as it stood then, as far as a transition shows it."""
    return StoredRollout(
        number=stored.number,
        name=stored.name,
        service=stored.service,
        message=stored.message,
        base=stored.base,
        state=inputs.state,
        active=True,
        version=0,
        started_at=stored.started_at,
        ended_at=None,
    )


def _plain(step: rollouts_pb2.Transition) -> dict[str, Any]:
    plain = MessageToDict(step, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return {name: value for name, value in plain.items() if name not in (*ELSEWHERE, "time")}


def _differences(was: Any, now: Any, path: str = "") -> Iterator[str]:
    """Every leaf that is not the same."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in sorted(was.keys() | now.keys()):
            yield from _differences(was.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif isinstance(was, float) and isinstance(now, float):
        if not math.isclose(was, now, rel_tol=AS_GOOD_AS_EQUAL, abs_tol=AS_GOOD_AS_EQUAL):
            yield f"{path}: was {was!r}, comes out as {now!r}"
    elif was != now:
        yield f"{path}: was {was!r}, comes out as {now!r}"
