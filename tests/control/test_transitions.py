import json

from understudy.v1 import control_pb2

from control.rollout import machine
from control.rollout.decisions import Event
from control.rollout.model import Observation, Phase, Settings, State
from control.store.changes import Change
from control.store.records import StoredRollout
from control.transitions import Standing, change_of
from tests.support.rollouts import WELL, copies, make_plan, make_service, progressive, seen

PLAN = make_plan()
BAKED = State(Phase.PROGRESSING, "", 0, acked=True, elapsed=60.0, ticked_at=0.0)


def decided(state: State, observation: Observation, *notify: control_pb2.Notify) -> tuple[Change, Event]:
    step = machine.step(PLAN, state, observation, Settings(), 0.0)
    assert step.event is not None
    stored = StoredRollout(1, "fraud-v2-1", "fraud", progressive(), make_service(), state, True, 5, 0.0, None)
    standing = Standing(stored, PLAN, (1, 2), observation, arrival=44)
    change = change_of(standing, step, step.event, actor="controller", now=100.0, epoch=1, notify=notify)
    return change, step.event


def test_a_stage_that_passes_is_closed_and_the_next_opened() -> None:
    change, _ = decided(BAKED, WELL)
    assert (change.expected, change.arrival, change.enters) == (5, 44, 1)
    assert change.ends is not None
    assert (change.ends.criteria[0].verdict, change.ends.elapsed.seconds) == ("pass", 60)
    assert change.in_force is not None
    assert (change.in_force.rollout, change.in_force.base) == ("fraud-v2-1", None)
    assert change.in_force.latency_bounds == (0.2,)
    assert change.in_force.service.routes[1].split.weights["v2"] == 8


def test_a_rollback_brings_back_what_was_and_changes_nothing_for_good() -> None:
    change, event = decided(BAKED, seen(mirrored=copies(1, 99)))
    assert event is Event.ROLLED_BACK
    assert change.in_force is not None
    assert (change.in_force.service, change.in_force.base) == (make_service(), None)
    assert change.transition.criteria[0].verdict == "fail"
    assert [arm.mismatched for arm in change.transition.arms] == [0, 0, 99]
    assert change.enters is None


def test_a_promotion_is_for_good() -> None:
    last = State(Phase.PROGRESSING, "", 2, acked=True, ticked_at=0.0)
    change, event = decided(last, seen())
    assert event is Event.SUCCEEDED
    assert change.in_force is not None
    assert change.in_force.base == change.in_force.service
    assert change.in_force.service.stable == "v2"
    assert (change.in_force.rollout, change.retire_at) == ("", None)


def test_each_address_hears_of_what_it_wants_once() -> None:
    everything = control_pb2.Notify(url="http://a")
    stages = control_pb2.Notify(url="http://b", events=["stage"])
    change, _ = decided(BAKED, WELL, everything, stages, stages)
    assert [(letter.url, letter.event) for letter in change.letters] == [
        ("http://a", "stage"),
        ("http://b", "stage"),
    ]
    body = json.loads(change.letters[0].body)
    assert (body["stage"], body["stage_index"], body["phase"]) == ("canary", 1, "Progressing")
    assert body["time"] == "1970-01-01T00:01:40Z"
