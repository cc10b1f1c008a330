"""Whose calls are counted: users by the bucket of their key, the rest as drawn at random."""

import asyncio
import time

import pytest

from proxy.policy.splitting import bucket
from proxy.stats.ledger import Ledger
from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.models import model, waits_for
from tests.support.sidecars import route, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
BOTH = pytest.mark.parametrize("method", [UNARY, STREAM])
ARM = ("all", "v1", False, 1, 1)


@BOTH
async def test_calls_with_a_key_are_counted_by_its_bucket(engine: str, method: str) -> None:
    async with model() as first:
        what = service({"v1": first.address}, route(weights={"v1": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            for user in ("ada", "ada", "bob"):
                await call.unary(method, metadata=[("x-user-id", user)])
            await call.unary(method)
            await one.until_idle()

    arm = one.ledger.take_window().arms[ARM]
    assert arm.codes == {"OK": 4}
    assert {number: counts.codes["OK"] for number, counts in arm.buckets.items()} == {
        bucket(b"ada"): 2,
        bucket(b"bob"): 1,
    }


@BOTH
async def test_a_call_that_hangs_is_slow_before_it_ends(engine: str, method: str) -> None:
    released = asyncio.Event()
    async with model(waits_for(released)) as first:
        what = service({"v1": first.address}, route(weights={"v1": 1}))
        async with sidecar(engine, what) as one, caller(one.address) as call, asyncio.TaskGroup() as tasks:
            one.apply(what, bounds=(0.001, 3600.0))
            calling = tasks.create_task(call.unary(method))
            await eventually(lambda: one.calls.in_flight == 1 and _slow(one.ledger) == 1)
            released.set()
            await calling
            await one.until_idle()
            window = one.ledger.take_window()

    arm = window.arms["all", "v1", False, 1, 2]
    assert (arm.codes, arm.slow, arm.latency.count) == ({"OK": 1}, {0.001: 1, 3600.0: 0}, 1)
    assert arm.beside[0.001] == 0


def _slow(ledger: Ledger) -> int:
    """Calls slower than the first bound, of the window that is open; it stays open."""
    ledger.overtake(time.perf_counter())
    arms = ledger._window.arms.values()
    return sum(arm.slow[0.001] for arm in arms)
