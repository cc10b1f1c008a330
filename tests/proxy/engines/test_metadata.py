"""Metadata passes in order, with nothing added but what section 8 of the design names."""

import re
from collections.abc import Iterable

import grpc
import pytest
from understudy.tickets import decode

from tests.support.callers import caller
from tests.support.models import Received
from tests.support.sidecars import fronted, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
LOOPBACK = ("127.0.0.0/8",)

ODD = (
    ("x-repeated", "one"),
    ("x-bytes-bin", b"\x00\xff\x80binary"),
    ("x-repeated", "two"),
    ("x-empty", ""),
    ("x-empty-bin", b""),
    ("x-bytes-bin", b"again"),
    ("x-commas", "a,b, c"),
    ("x-large", "l" * 9000),
    ("x-large-bin", bytes(range(256)) * 40),
)
OWN_KEYS = {"x-understudy-variant", "x-understudy-ticket", "x-request-id"}
OWN = re.compile("x-understudy-|x-request-id")


def by_key(pairs: Iterable[tuple[str, str | bytes]]) -> list[tuple[str, str | bytes]]:
    """Sorted by key, the values of a key in their order: grpc.aio groups them so on every side."""
    return sorted(pairs, key=lambda pair: pair[0])


def foreign(pairs: tuple[tuple[str, str | bytes], ...]) -> list[tuple[str, str | bytes]]:
    """Without what the sidecar adds."""
    return by_key(pair for pair in pairs if not OWN.match(pair[0]))


async def mirror_metadata(call: Received) -> None:
    await call.read()
    await call.begin(*ODD)
    await call.write(b"")
    call.end(grpc.StatusCode.OK, "", *ODD)


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_passes_both_ways_in_order(engine: str, method: str) -> None:
    async with fronted(engine, mirror_metadata) as (server, _one, call):
        reply = await call.unary(method, b"", ODD)

    assert [pair for pair in foreign(server.calls[0].metadata) if pair[0] != "user-agent"] == by_key(ODD)
    assert foreign(reply.initial) == by_key(ODD)
    assert foreign(reply.trailing) == by_key(ODD)


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_is_what_a_direct_call_carries(engine: str, method: str) -> None:
    """But for the caller's user-agent, which grpc.aio does not let pass: it is that of its own client."""
    metadata = (("x-user-id", "u1"), ("grpc-trace-bin", b"\x00trace"), ("tracestate", "a=1"))
    async with fronted(engine, mirror_metadata) as (server, _one, call), caller(server.address) as direct:
        straight = await direct.unary(method, b"", metadata)
        carried = await call.unary(method, b"", metadata)

    assert foreign(server.calls[1].metadata) == foreign(server.calls[0].metadata)
    assert foreign(carried.initial) == by_key(straight.initial)
    assert foreign(carried.trailing) == by_key(straight.trailing)


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_the_answer_says_who_served_it(engine: str, method: str) -> None:
    async with fronted(engine) as (_server, _one, call):
        reply = await call.unary(method)

    ticket = decode(reply.value("x-understudy-ticket"))
    assert reply.variant == "v1"
    assert ticket is not None
    assert (ticket.service, ticket.route, ticket.variant, ticket.label) == ("fraud", "", "v1", "v1.0")
    assert {key for key, _ in reply.initial} == {
        "x-understudy-variant",
        "x-understudy-ticket",
        "x-request-id",
    }
    assert reply.trailing == ()


async def test_tickets_and_made_request_ids_are_all_different(engine: str) -> None:
    async with fronted(engine) as (_server, _one, call):
        replies = [await call.unary(UNARY) for _ in range(20)]

    assert len({reply.value("x-understudy-ticket") for reply in replies}) == 20
    assert len({reply.value("x-request-id") for reply in replies}) == 20


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_a_request_id_is_kept_or_made(engine: str, method: str) -> None:
    async with fronted(engine) as (server, _one, call):
        kept = await call.unary(method, metadata=[("x-request-id", "mine")])
        made = await call.unary(method)

    assert kept.value("x-request-id") == "mine"
    assert server.calls[0].values("x-request-id") == ["mine"]
    assert server.calls[1].values("x-request-id") == [made.value("x-request-id")]


async def test_a_model_servers_own_request_id_wins(engine: str) -> None:
    async def behave(call: Received) -> None:
        await call.read()
        await call.begin(("x-request-id", "the model's"))
        await call.write(b"")

    async with fronted(engine, behave) as (_server, _one, call):
        assert (await call.unary(UNARY)).value("x-request-id") == "the model's"


SPOOFED = (
    ("x-understudy-variant", "v9"),
    ("x-understudy-mirror", "1"),
    ("x-understudy-hops", "99"),
    ("x-understudy-anything", "x"),
    ("x-understudy-ticket-bin", b"x"),
)


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_own_keys_of_a_stranger_are_taken_away(engine: str, method: str) -> None:
    async with fronted(engine) as (server, one, call):
        reply = await call.unary(method, metadata=SPOOFED)

    own = [pair for pair in server.calls[0].metadata if pair[0].startswith("x-understudy-")]
    assert reply.ok
    assert own == [("x-understudy-hops", "1")]
    assert one.codes("v1") == {"OK": 1}


async def test_own_keys_of_a_model_server_are_taken_away(engine: str) -> None:
    async def spoof(call: Received) -> None:
        await call.read()
        await call.begin(*SPOOFED)
        await call.write(b"")
        call.end(grpc.StatusCode.OK, "", *SPOOFED, ("x-understudy-error", "no"))

    async with fronted(engine, spoof) as (_server, _one, call):
        reply = await call.unary(UNARY)

    assert reply.variant == "v1"
    assert reply.values("x-understudy-anything") == []
    assert reply.trailing == ()


@pytest.mark.parametrize(("before", "after"), [((), "1"), ((("x-understudy-hops", "2"),), "3")])
async def test_a_trusted_peers_hops_are_counted(
    engine: str, before: tuple[tuple[str, str], ...], after: str
) -> None:
    async with fronted(engine, trusted=LOOPBACK) as (server, _one, call):
        reply = await call.unary(UNARY, metadata=before)

    assert reply.ok
    assert server.calls[0].values("x-understudy-hops") == [after]


@pytest.mark.parametrize("hops", ["3", "99", "-1", "many", ""])
async def test_a_fourth_hop_is_refused(engine: str, hops: str) -> None:
    async with fronted(engine, trusted=LOOPBACK) as (server, _one, call):
        reply = await call.unary(UNARY, metadata=[("x-understudy-hops", hops)])

    assert (reply.code, reply.error) == (grpc.StatusCode.UNAVAILABLE, "loop")
    assert server.calls == []


async def test_a_sidecar_in_front_of_itself_ends(engine: str) -> None:
    """A loop costs four hops, not a machine."""
    async with sidecar(engine, None, trusted=LOOPBACK) as one:
        one.apply(service({"v1": one.address}))
        async with caller(one.address) as call:
            reply = await call.unary(STREAM)

    assert reply.code is grpc.StatusCode.UNAVAILABLE
    assert one.codes("v1") == {"UNAVAILABLE": 3}
    assert one.ledger.totals.refused == {"loop": 1}


async def test_a_mark_of_a_trusted_peer_is_kept_and_the_call_not_counted(engine: str) -> None:
    async with fronted(engine, trusted=LOOPBACK) as (server, one, call):
        reply = await call.unary(UNARY, metadata=[("x-understudy-mirror", "1")])

    assert reply.ok
    assert server.calls[0].values("x-understudy-mirror") == ["1"]
    assert one.codes("v1") == {}
    assert not one.ledger.take_window().arms


async def test_a_sampled_caller_is_the_parent_of_what_the_model_sees(engine: str) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    sampled = f"00-{trace_id}-b7ad6b7169203331-01"
    async with fronted(engine) as (server, _one, call):
        await call.unary(UNARY, metadata=[("traceparent", sampled)])

    (seen,) = server.calls[0].values("traceparent")
    assert isinstance(seen, str)
    assert seen.startswith(f"00-{trace_id}-")
    assert seen.endswith("-01")
    assert seen != sampled


async def test_an_unsampled_callers_trace_passes_as_it_is(engine: str) -> None:
    unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    async with fronted(engine) as (server, _one, call):
        await call.unary(UNARY, metadata=[("traceparent", unsampled)])

    assert server.calls[0].values("traceparent") == [unsampled]
