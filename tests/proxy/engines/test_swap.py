"""A push is in force as a whole, from one call to the next, and no call notices."""

import asyncio
import pathlib
from collections.abc import Mapping

import grpc

from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.models import model, waits_for
from tests.support.sidecars import fronted, route, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
SWAPS = 100


def only(variant: str, targets: Mapping[str, str]) -> dict[str, object]:
    return route(weights={name: float(name == variant) for name in targets})


def connections(address: str) -> int:
    """Established connections to a local port."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    tables = [pathlib.Path(f"/proc/net/{family}").read_text() for family in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    return sum(fields[2].endswith(port) and fields[3] == "01" for fields in lines)


async def test_no_call_fails_while_tables_are_swapped(engine: str) -> None:
    """And each is served by a variant that a table allowed between its beginning and its end."""
    async with model() as first, model() as second:
        targets = {"v1": first.address, "v2": second.address}
        tables = [service(targets, only(variant, targets)) for variant in targets]
        async with sidecar(engine, tables[0]) as one:
            versions = ["v1"]  # the variant that each version sends everything to
            done = asyncio.Event()

            async def calls(method: str) -> int:
                count = 0
                async with caller(one.address) as call:
                    while not done.is_set():
                        before = len(versions)
                        reply = await call.unary(method)
                        assert reply.ok, reply
                        assert reply.variant in versions[before - 1 :]
                        count += 1
                return count

            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(calls(method)) for method in (UNARY, STREAM, UNARY, STREAM)]
                for number in range(SWAPS):
                    await eventually(lambda number=number: one.ledger.totals.requests.total() > 3 * number)
                    one.apply(tables[1 - number % 2])
                    versions.append(("v2", "v1")[number % 2])
                done.set()

    assert sum(task.result() for task in running) > 3 * (SWAPS - 1)
    assert set(one.codes("v1")) == set(one.codes("v2")) == {"OK"}


async def test_calls_to_a_variant_that_goes_away_end_in_peace(engine: str) -> None:
    released = asyncio.Event()
    async with model() as first, model(waits_for(released)) as second:
        targets = {"v1": first.address, "v2": second.address}
        async with sidecar(engine, service(targets, only("v2", targets))) as one, caller(one.address) as call:
            await one.until_live("v2")
            stream = call.stream(STREAM)
            await stream.write(b"1")
            async with asyncio.TaskGroup() as tasks:
                pending = tasks.create_task(call.unary(UNARY, b"x"))
                await eventually(lambda: len(second.calls) == 2)
                one.apply(service({"v1": first.address}))
                assert (await call.unary(UNARY)).variant == "v1"
                released.set()
            assert await stream.read() == b"1"
            await stream.write(b"2")
            assert await stream.read() == b"2"
            await stream.done_writing()
            assert await stream.read() is grpc.aio.EOF
            assert await stream.code() is grpc.StatusCode.OK

    assert (pending.result().message, pending.result().variant) == (b"x", "v2")


async def test_a_variant_that_goes_away_and_dies_takes_nothing_with_it(engine: str) -> None:
    """Its connection changes state while it waits for the last call."""
    async with model() as first, model(waits_for(asyncio.Event())) as second:
        targets = {"v1": first.address, "v2": second.address}
        async with sidecar(engine, service(targets, only("v2", targets))) as one, caller(one.address) as call:
            async with asyncio.TaskGroup() as tasks:
                pending = tasks.create_task(call.unary(UNARY))
                await second.next_call()
                one.apply(service({"v1": first.address}))
                await second.kill()
            assert pending.result().code is grpc.StatusCode.UNAVAILABLE
            assert (await call.unary(UNARY)).variant == "v1"


async def test_a_variant_keeps_its_connection_through_swaps(engine: str) -> None:
    async with fronted(engine) as (server, one, call):
        await call.unary(UNARY)
        for _ in range(5):
            one.apply(service({"v1": server.address, "v2": "127.0.0.1:1"}))
            assert (await call.unary(UNARY)).ok

    assert len({received.peer for received in server.calls}) == 1


async def test_connections_that_nobody_needs_are_closed(engine: str) -> None:
    async with fronted(engine) as (server, one, call), model() as other:
        one.apply(service({"v1": server.address, "v2": other.address}))
        await one.until_live("v2")
        assert connections(other.address) > 0
        one.apply(service({"v1": server.address}))
        await eventually(lambda: connections(other.address) == 0)
        assert (await call.unary(UNARY)).ok
