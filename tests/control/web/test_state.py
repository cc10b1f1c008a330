import asyncio
import json

from control.web.state import RECENT, State
from tests.support.fake_views import FakeViews
from tests.support.statuses import NOW, rollout_status


async def test_it_carries_everything_seen_and_nothing_that_was_not(views):
    state = json.loads(await State(views, lambda: NOW).text())

    assert state["now"] == "2026-01-01T01:12:05Z"
    (service,) = state["services"]
    first, second = service["variants"]
    assert (first["live"]["error_rate"], first["live"]["latency_p99"]) == (0.0004, "0.088s")
    assert "error_rate" not in second["mirrored"]
    assert second["match_rate"] == 0.98
    assert [each["answer"] for each in state["sidecars"]] == ["ack", "nack"]
    assert state["rollouts"][0]["stages"][1]["criteria"][1]["verdict"] == "inconclusive"
    assert state["rollouts"][0]["failing"] is False


async def test_active_rollouts_come_first_and_of_the_ended_only_the_recent_ones():
    ended = [rollout_status() for _ in range(RECENT + 3)]
    for number, status in enumerate(ended):
        status.rollout.name, status.phase = f"old-{number}", "Succeeded"
    views = FakeViews(shown_rollouts=[*ended[:2], rollout_status(), *ended[2:]])

    state = json.loads(await State(views, lambda: NOW).text())

    names = [each["rollout"]["name"] for each in state["rollouts"]]
    assert names == ["fraud-v2", *(f"old-{number}" for number in range(RECENT))]
    assert state["older_rollouts"] == 3


async def test_those_who_ask_at_the_same_time_share_one_reading(views):
    state = State(views, lambda: NOW)

    texts = await asyncio.gather(*(state.text() for _ in range(20)))

    assert len(set(texts)) == 1
    assert views.reads <= 2


async def test_a_reading_that_began_earlier_is_never_passed_off_as_new(views):
    state = State(views, lambda: NOW)
    before = await state.text()
    views.shown_services.clear()

    after = await state.text()

    assert (before != after, json.loads(after)["services"]) == (True, [])
