"""What is forgotten, and what is not."""

import pathlib

import pytest
from understudy.v1 import rollouts_pb2, telemetry_pb2

from control.rollout.model import Phase, State
from control.store import retention
from control.store.changes import Change
from control.store.retention import Keep
from control.store.store import Store
from tests.support.fake_sidecar import live
from tests.support.rollouts import make_rollout, make_service
from tests.support.stores import opened

DAY = 24 * 3600.0
KEEP = Keep(evidence=7 * DAY, audit=100 * DAY)


async def _report(store: Store, sequence: int, now: float, service: str = "fraud") -> None:
    report = telemetry_pb2.TelemetryReportRequest(
        node="a", boot_id="b", sequence=sequence, service=service, evidence=[live("v1"), live("v2")]
    )
    assert await store.evidence.take(report, now)


async def _arrivals(store: Store, service: str = "fraud") -> list[int]:
    rows = await store.evidence.since(service, "predict", first=(0, 0), after=0)
    return [row.arrival for row in rows]


def _step(phase: Phase, expected: int, now: float) -> Change:
    step = rollouts_pb2.Transition(event=phase)
    return Change("one", expected, State(phase, "so"), now=now, epoch=1, transition=step)


async def _start(store: Store, now: float) -> None:
    found = await store.services.find("fraud")
    assert found is not None
    begun = _step(Phase.PROGRESSING, 0, now)
    await store.rollouts.start(make_rollout(name="one"), make_service(), found.version, begun)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)


async def test_what_a_running_rollout_is_judged_by_stays_however_old(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        for name in ("fraud", "other"):
            await store.services.apply(make_service(name=name), 0.0, expected=0)
        await _report(store, 1, 0.0)
        await _start(store, 1.0)
        await _report(store, 2, 2.0)
        await _report(store, 3, 3.0, service="other")
        await store.forgetting.prune(90 * DAY, KEEP)
        assert await _arrivals(store) == [3, 4]
        assert await _arrivals(store, "other") == []


async def test_evidence_goes_some_time_after_its_rollout_and_the_audit_later(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 0.0, expected=0)
        await _start(store, 1.0)
        await _report(store, 1, 2.0)
        await store.rollouts.advance(_step(Phase.ABORTED, 1, 20 * DAY))
        await store.forgetting.prune(26 * DAY, KEEP)
        assert await _arrivals(store) == [1, 2]
        await store.forgetting.prune(28 * DAY, KEEP)
        assert await _arrivals(store) == []
        found = await store.rollouts.find("one")
        assert found is not None
        assert found.evidence_gone
        assert len(await store.rollouts.transitions("one")) == 2
        await store.forgetting.prune(121 * DAY, KEEP)
        assert await store.rollouts.find("one") is None
        assert await store.rollouts.transitions("one") == []


async def test_what_is_of_no_rollout_goes_by_its_age(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        for day in range(10):
            await _report(store, day + 1, day * DAY)
        assert await store.forgetting.prune(10 * DAY, KEEP) == 3 * 2 + 9
        assert await _arrivals(store) == list(range(7, 21))
        assert await store.forgetting.prune(10 * DAY, KEEP) == 0


async def test_a_report_of_today_still_counts_once(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await _report(store, 1, 0.0)
        await store.forgetting.prune(DAY - 1, KEEP)
        report = telemetry_pb2.TelemetryReportRequest(node="a", boot_id="b", sequence=1, service="fraud")
        assert not await store.evidence.take(report, DAY - 1)
