"""Reports against a scripted control service: nothing is lost, nothing counts twice."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
import pytest

from proxy.config.subscription import CHANNEL_OPTIONS
from proxy.engines.engine import Liveness
from proxy.policy.table import Table, compile_snapshot, static_snapshot
from proxy.stats.ledger import Ledger
from proxy.telemetry.reporter import Reporter
from tests.support.discovery import ScriptedControl, scripted_control
from tests.support.eventually import eventually
from tests.support.sidecars import service

METHOD = "/understudy.v1.PredictionService/Predict"
TABLE: Table = compile_snapshot(static_snapshot(service({"v1": "127.0.0.1:1"})))


@dataclass
class Reporting:
    control: ScriptedControl
    ledger: Ledger
    reporter: Reporter

    def see(self, calls: int, code: str = "OK") -> None:
        for _ in range(calls):
            self.ledger.call(TABLE, "all", "v1", METHOD, code, 0.01)

    def stored(self) -> Counter[str]:
        """What the control service knows, each report counted once."""
        codes: Counter[str] = Counter()
        for report in self.control.stored():
            for evidence in report.evidence:
                codes.update(evidence.codes)
        return codes


@contextlib.asynccontextmanager
async def reporting(interval: float = 3600.0) -> AsyncIterator[Reporting]:
    ledger = Ledger()
    async with (
        scripted_control() as control,
        grpc.aio.insecure_channel(control.address, options=CHANNEL_OPTIONS) as channel,
    ):
        reporter = Reporter(
            channel,
            ledger,
            lambda: {"v1": Liveness(live=True), "v2": Liveness(live=False, reason="gone")},
            node="node-1",
            boot_id="boot-1",
            service="fraud",
            interval=interval,
        )
        yield Reporting(control, ledger, reporter)


async def test_says_who_it_is_and_what_it_saw() -> None:
    async with reporting() as setup:
        setup.see(3)
        setup.see(2, "INTERNAL")
        assert await setup.reporter.report()

    (report,) = setup.control.stored()
    assert (report.node, report.boot_id, report.service) == ("node-1", "boot-1", "fraud")
    assert report.sequence == 1
    assert dict(report.evidence[0].codes) == {"OK": 3, "INTERNAL": 2}
    assert report.evidence[0].latency.count == 5
    assert {one.variant: (one.live, one.reason) for one in report.variants} == {
        "v1": (True, ""),
        "v2": (False, "gone"),
    }
    assert report.window_start.ToNanoseconds() <= report.window_end.ToNanoseconds()


@pytest.mark.parametrize(
    "lost", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL]
)
async def test_a_lost_answer_is_followed_by_the_same_bytes(lost: grpc.StatusCode) -> None:
    async with reporting() as setup:
        setup.control.fails = [lost, lost]
        setup.see(3)
        assert not await setup.reporter.report()
        setup.see(4)
        assert not await setup.reporter.report()
        assert await setup.reporter.report()
        assert await setup.reporter.report()

    first, second, third, fourth = setup.control.reports
    assert first == second == third
    assert [report.sequence for report in setup.control.stored()] == [1, 2]
    assert setup.stored() == {"OK": 7}
    assert fourth != first


async def test_deltas_add_up_whatever_is_lost() -> None:
    async with reporting() as setup:
        for number in range(30):
            setup.see(number % 4, ("OK", "INTERNAL", "UNAVAILABLE")[number % 3])
            setup.control.fails = [grpc.StatusCode.UNAVAILABLE] * (number % 2)
            await setup.reporter.report()
        while not await setup.reporter.report():
            pass
        assert await setup.reporter.report()

    totals: Counter[str] = Counter()
    for (_, _, code), count in setup.ledger.totals.requests.items():
        totals[code] += count
    sequences = [report.sequence for report in setup.control.stored()]
    assert setup.stored() == totals
    assert sequences == list(range(1, len(sequences) + 1))


async def test_one_window_grows_while_nobody_listens() -> None:
    async with reporting() as setup:
        await setup.control.kill()
        for _ in range(5):
            setup.see(2)
            assert not await setup.reporter.report()
        await setup.control.start()
        await _until_confirmed(setup.reporter)
        await _until_confirmed(setup.reporter)

    assert [sum(report.evidence[0].codes.values()) for report in setup.control.stored()] == [2, 8]


async def test_windows_meet_without_a_gap() -> None:
    async with reporting() as setup:
        for _ in range(3):
            await setup.reporter.report()

    reports = setup.control.stored()
    assert [one.window_start for one in reports[1:]] == [one.window_end for one in reports[:-1]]


async def test_a_report_that_is_refused_for_good_does_not_hold_up_the_next() -> None:
    async with reporting() as setup:
        setup.control.fails = [grpc.StatusCode.INVALID_ARGUMENT]
        assert not await setup.reporter.report()
        setup.see(1)
        assert await setup.reporter.report()

    assert [report.sequence for report in setup.control.stored()] == [1, 2]


async def test_reports_by_itself() -> None:
    async with reporting(interval=0.01) as setup, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(setup.reporter.run())
        setup.see(1)
        await eventually(lambda: len(setup.control.reports) >= 3)
        running.cancel()

    assert setup.stored() == {"OK": 1}


async def _until_confirmed(reporter: Reporter) -> None:
    while not await reporter.report():
        pass
