import pathlib

from understudy.v1 import rollouts_pb2

from control.rollout.model import Phase, State
from control.store.changes import Change
from control.store.outbox import Letter
from tests.support.rollouts import make_rollout, make_service
from tests.support.stores import opened


async def test_a_letter_is_due_until_it_is_delivered(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 1.0, expected=0)
        start = Change(
            "one",
            0,
            State(Phase.PROGRESSING),
            now=10.0,
            epoch=1,
            transition=rollouts_pb2.Transition(),
            letters=[Letter("http://a", "phase", '{"x": 1}')],
        )
        await store.rollouts.start(make_rollout(name="one"), make_service(), 1, start)
        assert await store.outbox.due(9.0, 10) == []
        [letter] = await store.outbox.due(10.0, 10)
        assert (letter.event_id, letter.body, letter.attempts) == ("one/1/phase", '{"x": 1}', 0)
        await store.outbox.failed(letter, "answered 500", 20.0)
        assert await store.outbox.next_due() == 20.0
        assert await store.outbox.due(19.0, 10) == []
        [letter] = await store.outbox.due(20.0, 10)
        assert letter.attempts == 1
        await store.outbox.delivered(letter, 21.0)
        assert await store.outbox.next_due() is None
