import json
from dataclasses import replace

from control.rollout.decisions import Command, Event, Step
from control.rollout.inputs import Inputs, inputs_from_json, inputs_to_json, observed, replayed
from control.rollout.model import Observation, Phase, Settings, State
from tests.support.rollouts import WELL, make_plan

PLAN = make_plan()
BAKING = State(Phase.PROGRESSING, "so", 1, acked=True, elapsed=59.5, ticked_at=1000.25)
INPUTS = Inputs(
    state=BAKING,
    now=1001.5,
    settings=Settings(ack_timeout=7.5),
    asked=Command.PAUSE,
    begun=(1, 2),
    first=(1, 3),
    connected=3,
    acked=2,
    unconfirmed=("pod-1 (refused)",),
    arrival=12,
)


def test_inputs_come_back_as_they_were_written():
    for inputs in (INPUTS, Inputs(state=State(), now=0.0, settings=Settings())):
        assert inputs_from_json(json.loads(json.dumps(inputs_to_json(inputs)))) == inputs


def test_a_command_is_decided_as_a_command():
    again = replayed(PLAN, INPUTS, WELL)
    assert isinstance(again, Step)
    assert (again.event, again.state.phase) == (Event.PAUSED, Phase.PAUSED)


def test_what_nobody_asked_for_is_decided_by_the_clock():
    early = replayed(PLAN, replace(INPUTS, asked=None, now=1000.25), WELL)
    assert isinstance(early, Step)
    assert early.state.elapsed == BAKING.elapsed
    later = replayed(PLAN, replace(INPUTS, asked=None), WELL)
    assert isinstance(later, Step)
    assert later.state.elapsed > BAKING.elapsed or later.event is not None


def test_before_there_was_a_snapshot_nothing_was_seen():
    assert observed(PLAN, replace(INPUTS, first=None), []) == Observation()
