import dataclasses
import pathlib

import pytest
from understudy.v1 import rollouts_pb2

from control.rollout.model import Ending, Phase, StageEnd, State
from control.store.changes import Change, InForce
from control.store.errors import ActiveRollout, Conflict, NameTaken
from control.store.outbox import Letter
from control.store.store import Store
from tests.support.rollouts import make_rollout, make_service
from tests.support.stores import opened

BEGUN = State(Phase.PROGRESSING, "begun")
OVER = State(Phase.ROLLED_BACK, "over", ended=(StageEnd(Ending.FAILED, 3.0),))


def change(**fields: object) -> Change:
    defaults = Change(
        "one", 0, BEGUN, now=100.0, epoch=7, transition=rollouts_pb2.Transition(event="started")
    )
    return dataclasses.replace(defaults, **fields)


async def begin(store: Store, name: str = "one") -> None:
    base = make_service()
    stored = await store.services.apply(base, 1.0, expected=0)
    started = change(rollout=name, in_force=InForce(base, name, (0.2,)), enters=0)
    await store.rollouts.start(make_rollout(name=name), base, stored.version, started)


async def test_a_start_writes_all_of_it(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        service = await store.services.find("fraud")
        assert service is not None
        assert (service.version, service.rollout, service.latency_bounds) == (2, "one", (0.2,))
        stored = await store.rollouts.find("one")
        assert stored is not None
        assert (stored.state, stored.version, stored.active) == (BEGUN, 1, True)
        [stage] = await store.rollouts.stages("one")
        assert (stage.stage, stage.epoch, stage.version, stage.ended_at) == (0, 7, 2, None)
        [step] = await store.rollouts.transitions("one")
        assert (step.sequence, step.epoch, step.version) == (1, 7, 2)


async def test_a_transition_decided_on_an_old_version_is_not_written(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        await store.rollouts.advance(change(expected=1))
        letter = Letter("http://nowhere", "phase", "{}")
        with pytest.raises(Conflict):
            await store.rollouts.advance(
                change(expected=1, state=OVER, in_force=InForce(make_service()), letters=[letter])
            )
        service = await store.services.find("fraud")
        assert service is not None
        assert service.version == 2
        assert len(await store.rollouts.transitions("one")) == 2
        assert await store.outbox.next_due() is None


async def test_a_service_takes_one_rollout_at_a_time(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        with pytest.raises(ActiveRollout, match="one"):
            await store.rollouts.start(make_rollout(name="two"), make_service(), 2, change(rollout="two"))
        with pytest.raises(NameTaken):
            await store.rollouts.start(make_rollout(name="one"), make_service(), 2, change())
        with pytest.raises(ActiveRollout):
            await store.services.apply(make_service(), 2.0, expected=2)


async def test_a_start_on_a_service_that_changed_is_refused(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 1.0, expected=0)
        with pytest.raises(Conflict):
            await store.rollouts.start(make_rollout(name="one"), make_service(), 9, change())
        assert await store.rollouts.every() == []


async def test_the_clock_is_kept_unless_a_transition_came_between(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        later = dataclasses.replace(BEGUN, elapsed=5.0, ticked_at=99.0)
        await store.rollouts.keep_clock("one", 1, later)
        await store.rollouts.keep_clock("one", 0, dataclasses.replace(BEGUN, elapsed=9.0))
        stored = await store.rollouts.find("one")
        assert stored is not None
        assert (stored.state.elapsed, stored.state.ticked_at, stored.version) == (5.0, None, 1)


async def test_an_ended_stage_keeps_what_it_showed(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        shown = rollouts_pb2.StageStatus(kind="shadow", arms=[rollouts_pb2.ArmFigures(calls=7)])
        await store.rollouts.advance(change(expected=1, state=OVER, ends=shown, now=103.0))
        [stage] = await store.rollouts.stages("one")
        assert (stage.status, stage.ended_at) == (shown, 103.0)
        stored = await store.rollouts.find("one")
        assert stored is not None
        assert (stored.active, stored.ended_at, stored.state) == (False, 103.0, OVER)
        assert await store.rollouts.active() == []


async def test_letters_are_posted_with_the_transition(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        letters = [Letter("http://a", "phase", "{}"), Letter("http://b", "phase", "{}")]
        await store.rollouts.advance(change(expected=1, letters=letters))
        found = await store.outbox.due(100.0, 10)
        assert {(each.event_id, each.url) for each in found} == {
            ("one/2/phase", "http://a"),
            ("one/2/phase", "http://b"),
        }


async def test_what_was_put_in_force_for_good_is_the_service(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await begin(store)
        promoted = make_service(stable="v2")
        over = State(Phase.SUCCEEDED, "done")
        await store.rollouts.advance(
            change(expected=1, state=over, in_force=InForce(promoted, base=promoted))
        )
        service = await store.services.find("fraud")
        assert service is not None
        assert service.base == service.in_force == promoted
        assert service.rollout == ""
