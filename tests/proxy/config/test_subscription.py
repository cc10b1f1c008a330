"""The stream to the control service, against a scripted one: what is taken, refused, and outlasts it."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import grpc
import pytest
from understudy.v1 import discovery_pb2, service_pb2

from proxy.config.subscription import CHANNEL_OPTIONS, Subscription
from proxy.policy.table import Table
from tests.support.discovery import ScriptedControl, Stream, scripted_control
from tests.support.eventually import eventually
from tests.support.sidecars import Sidecar, route, service, sidecar

A = "127.0.0.1:1"
B = "127.0.0.1:2"


@dataclass
class Following:
    control: ScriptedControl
    sidecar: Sidecar
    subscription: Subscription

    @property
    def at(self) -> tuple[int, int] | None:
        table = self.sidecar.engine.table()
        return table.at if table else None


@contextlib.asynccontextmanager
async def following(apply: Callable[[Table], Awaitable[None]] | None = None) -> AsyncIterator[Following]:
    """A sidecar that follows a scripted control service; `apply` stands before the table is in force."""
    async with scripted_control() as control, sidecar("grpc-aio", None) as one:

        async def bring_into_force(table: Table) -> None:
            if apply is not None:
                await apply(table)
            one.engine.apply(table)

        async with grpc.aio.insecure_channel(control.address, options=CHANNEL_OPTIONS) as channel:
            subscription = Subscription(
                channel,
                service="fraud",
                node="node-1",
                boot_id="boot-1",
                in_force=one.engine.table,
                apply=bring_into_force,
            )
            running = one.tasks.create_task(subscription.run())
            try:
                yield Following(control, one, subscription)
            finally:
                running.cancel()


def snapshot(epoch: int, version: int, what: service_pb2.Service | None = None) -> discovery_pb2.Snapshot:
    given = what or service({"v1": A, "v2": B}, route(weights={"v1": 90, "v2": 10}))
    return discovery_pb2.Snapshot(epoch=epoch, version=version, service=given)


def said(request: discovery_pb2.SubscribeRequest) -> tuple[int, int, bool]:
    """In force at the sidecar, and whether this confirms what was sent."""
    return request.epoch, request.version, not request.HasField("error_detail")


async def test_subscribes_confirms_and_says_who_it_is() -> None:
    async with following() as setup:
        stream = await setup.control.next_stream()
        first = await stream.next()
        answer = await stream.ask(snapshot(3, 7))

        assert (first.node, first.service, first.boot_id, first.nonce) == ("node-1", "fraud", "boot-1", "")
        assert said(first) == (0, 0, True)
        assert said(answer) == (3, 7, True)
        assert setup.at == (3, 7)
        assert setup.subscription.connected


async def test_confirms_only_what_is_in_force() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def held(_: Table) -> None:
        entered.set()
        await release.wait()

    async with following(held) as setup:
        stream = await setup.control.next_stream()
        await stream.next()
        stream.push(snapshot(1, 1))
        await entered.wait()
        assert setup.at is None
        assert stream.is_silent
        release.set()
        assert said(await stream.next()) == (1, 1, True)


def spoiled(spoil: Callable[[service_pb2.Service], object]) -> service_pb2.Service:
    what = service(
        {"v1": A, "v2": B, "v3": "127.0.0.1:3"},
        route(
            "predict",
            weights={"v1": 90, "v2": 10},
            mirrors=[{"variant": "v3", "percent": 100}],
            match={"headers": [{"name": "x-a", "exact": "b"}]},
        ),
    )
    spoil(what)
    return what


def setting(weights: dict[str, float]) -> Callable[[service_pb2.Service], object]:
    return lambda what: what.routes[0].split.weights.update(weights)


ROUTE = "service.routes[0]"
BAD: list[tuple[str, Callable[[service_pb2.Service], object], str]] = [
    ("negative weight", setting({"v1": -1.0}), f"{ROUTE}.split.weights.v1"),
    ("weight is no number", setting({"v1": math.nan}), f"{ROUTE}.split.weights.v1"),
    ("endless weight", setting({"v1": math.inf}), f"{ROUTE}.split.weights.v1"),
    ("weights of endless sum", setting({"v1": 1.7e308, "v2": 1.7e308}), f"{ROUTE}.split.weights"),
    ("nothing but zeros", setting({"v1": 0.0, "v2": 0.0}), f"{ROUTE}.split.weights"),
    ("weight of a stranger", setting({"v9": 1.0}), f"{ROUTE}.split.weights.v9"),
    ("no weights", lambda what: what.routes[0].ClearField("split"), f"{ROUTE}.split.weights"),
    ("mirror onto a stranger", lambda what: setattr(what.routes[0].mirrors[0], "variant", "v9"),
     f"{ROUTE}.mirrors[0].variant"),
    ("mirror onto the only variant", lambda what: (
        what.routes[0].split.weights.clear(), setting({"v3": 1.0})(what)), f"{ROUTE}.mirrors[0].variant"),
    ("mirror without a share", lambda what: what.routes[0].mirrors[0].ClearField("percent"),
     f"{ROUTE}.mirrors[0].percent"),
    ("mirror of more than all", lambda what: setattr(what.routes[0].mirrors[0], "percent", 101),
     f"{ROUTE}.mirrors[0].percent"),
    ("mirror without a time", lambda what: what.routes[0].mirrors[0].deadline.FromNanoseconds(0),
     f"{ROUTE}.mirrors[0].deadline"),
    ("timeout of zero", lambda what: what.routes[0].timeout.FromNanoseconds(0), f"{ROUTE}.timeout"),
    ("tolerance below zero", lambda what: setattr(what.routes[0].mirrors[0].compare, "absolute", -1),
     f"{ROUTE}.mirrors[0].compare.absolute"),
    ("two variants of a name", lambda what: what.variants.add(name="v1", target=A),
     "service.variants[3].name"),
    ("two routes of a name", lambda what: what.routes.add().CopyFrom(what.routes[0]),
     "service.routes[1].name"),
    ("target that does not parse", lambda what: setattr(what.variants[0], "target", "no port"),
     "service.variants[0].target"),
    ("no target", lambda what: what.variants[0].ClearField("target"), "service.variants[0].target"),
    ("no variants", lambda what: what.ClearField("variants"), "service.variants"),
    ("stable is a stranger", lambda what: setattr(what, "stable", "v9"), "service.stable"),
    ("fallback is a stranger", lambda what: setattr(what, "fallback", "v9"), "service.fallback"),
    ("name with capitals", lambda what: setattr(what.variants[0], "name", "V1"), "service.variants[0].name"),
    ("method that is none", lambda what: what.routes[0].match.methods.append("Predict"),
     f"{ROUTE}.match.methods[0]"),
    ("expression that does not parse", lambda what: setattr(what.routes[0].match.headers[0], "regex", "("),
     f"{ROUTE}.match.headers[0].regex"),
    ("header without a test", lambda what: what.routes[0].match.headers[0].ClearField("exact"),
     f"{ROUTE}.match.headers[0]"),
    ("header of the sidecar's own", lambda what: setattr(what.routes[0].match.headers[0], "name",
     "x-understudy-mirror"), f"{ROUTE}.match.headers[0].name"),
    ("sticky key of bytes", lambda what: what.routes[0].split.sticky.metadata.append("x-bin"),
     f"{ROUTE}.split.sticky.metadata[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "field"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
async def test_refuses_what_no_linter_saw_and_changes_nothing(
    spoil: Callable[[service_pb2.Service], object], field: str
) -> None:
    async with following() as setup:
        stream = await setup.control.next_stream()
        await stream.next()
        await stream.ask(snapshot(1, 1))
        before = setup.sidecar.engine.table()
        answer = await stream.ask(snapshot(1, 2, spoiled(spoil)))

        assert said(answer) == (1, 1, False)
        assert field in [violation.field for violation in answer.error_detail.violations]
        assert field in answer.error_detail.message
        assert all(violation.description for violation in answer.error_detail.violations)
        assert setup.sidecar.engine.table() is before
        assert setup.subscription.rejected == 1
        assert said(await stream.ask(snapshot(1, 3))) == (1, 3, True)


async def test_refuses_latency_bounds_of_zero_and_a_snapshot_of_nothing() -> None:
    async with following() as setup:
        stream = await setup.control.next_stream()
        await stream.next()
        zero = snapshot(1, 1)
        zero.latency_bounds.add()
        assert [one.field for one in (await stream.ask(zero)).error_detail.violations] == [
            "latency_bounds[0]"
        ]
        assert said(await stream.ask(discovery_pb2.Snapshot())) == (0, 0, False)
        assert setup.at is None


@pytest.mark.parametrize("older", [(3, 6), (2, 99), (0, 0), (0, 7)])
async def test_refuses_what_is_older_and_says_what_it_has(older: tuple[int, int]) -> None:
    async with following() as setup:
        stream = await setup.control.next_stream()
        await stream.next()
        await stream.ask(snapshot(3, 7))
        answer = await stream.ask(snapshot(*older))

        assert said(answer) == (3, 7, False)
        assert "epoch 3 version 7" in answer.error_detail.message


async def test_confirms_again_what_is_in_force_already() -> None:
    applied: list[Table] = []

    async def remember(table: Table) -> None:
        applied.append(table)

    async with following(remember) as setup:
        stream = await setup.control.next_stream()
        await stream.next()
        for _ in range(3):
            assert said(await stream.ask(snapshot(3, 7))) == (3, 7, True)

    assert len(applied) == 1


async def test_refuses_another_service() -> None:
    async with following() as setup:
        stream = await setup.control.next_stream()
        await stream.next()
        answer = await stream.ask(snapshot(1, 1, service({"v1": A}, name="spam")))

        assert said(answer) == (0, 0, False)
        assert "'spam'" in answer.error_detail.message
        assert "'fraud'" in answer.error_detail.message
        assert setup.at is None


async def opened(control: ScriptedControl) -> tuple[Stream, discovery_pb2.SubscribeRequest]:
    stream = await control.next_stream()
    return stream, await stream.next()


async def test_subscribes_anew_with_what_it_has_when_a_stream_ends() -> None:
    async with following() as setup:
        for version in range(1, 4):
            stream, first = await opened(setup.control)
            assert (first.nonce, *said(first)) == ("", int(version > 1), version - 1, True)
            await stream.ask(snapshot(1, version))
            stream.close()
        assert setup.at == (1, 3)


async def test_outlasts_a_control_service_that_goes_away() -> None:
    async with following() as setup:
        stream, _ = await opened(setup.control)
        await stream.ask(snapshot(1, 1))
        await setup.control.kill()
        await eventually(lambda: not setup.subscription.connected)
        assert setup.at == (1, 1)
        await setup.control.start()
        stream, first = await opened(setup.control)
        assert said(first) == (1, 1, True)
        assert said(await stream.ask(snapshot(2, 1))) == (2, 1, True)  # it restarted: a new epoch
        assert setup.subscription.connected


async def test_a_refusal_is_no_reason_to_ask_anew() -> None:
    async with following() as setup:
        stream, _ = await opened(setup.control)
        for version in range(1, 6):
            bad = snapshot(1, version)
            bad.service.ClearField("variants")
            assert not said(await stream.ask(bad))[2]
        assert said(await stream.ask(snapshot(1, 6))) == (1, 6, True)
        assert setup.subscription.rejected == 5
