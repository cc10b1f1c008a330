"""Which variant serves a call: weights, sticky users, forced routes."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from understudy.v1 import prediction_pb2, service_pb2

from tests.support.callers import Caller, caller
from tests.support.models import model
from tests.support.sidecars import Sidecar, route, service, sidecar

UNARY = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
CALLS = 300


@contextlib.asynccontextmanager
async def two_variants(engine: str, *routes: dict[str, Any]) -> AsyncIterator[tuple[Sidecar, Caller]]:
    async with model() as first, model() as second:
        what = service({"v1": first.address, "v2": second.address}, *routes)
        async with sidecar(engine, what) as one, caller(one.address) as call:
            yield one, call


async def test_a_call_that_fits_no_route_goes_to_the_fallback(engine: str) -> None:
    never = route(match={"methods": ["/other.Service/*"]}, weights={"v2": 1})
    async with two_variants(engine, never) as (_, call):
        assert (await call.unary(UNARY)).variant == "v1"


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_weights_are_shares_of_the_calls(engine: str, method: str) -> None:
    async with two_variants(engine, route(weights={"v1": 70, "v2": 30})) as (_, call):
        seen = Counter([(await call.unary(method)).variant for _ in range(CALLS)])

    assert 0.15 * CALLS < seen["v2"] < 0.45 * CALLS  # five standard deviations


@pytest.mark.parametrize("method", [UNARY, STREAM])
async def test_a_header_forces_a_route(engine: str, method: str) -> None:
    testers = route("testers", match={"headers": [{"name": "Canary", "exact": "true"}]}, weights={"v2": 1})
    async with two_variants(engine, testers, route(weights={"v1": 1})) as (_, call):
        forced = await call.unary(method, metadata=[("canary", "true")])
        others = [await call.unary(method, metadata=[("canary", value)]) for value in ("false", "", "TRUE")]

    assert forced.variant == "v2"
    assert {reply.variant for reply in others} == {"v1"}


async def test_users_stay_whatever_the_sidecar(engine: str) -> None:
    """Two sidecars that know nothing of each other, one with its variants in another order."""
    users = [f"user-{number}" for number in range(100)]
    async with model() as first, model() as second:
        weights = route(weights={"v1": 50, "v2": 50})
        targets = {"v1": first.address, "v2": second.address}
        turned: service_pb2.Service = service(dict(reversed(targets.items())), weights)
        async with (
            sidecar(engine, service(targets, weights)) as one,
            sidecar(engine, turned) as other,
            caller(one.address) as call_one,
            caller(other.address) as call_other,
        ):
            seen: dict[str, set[str]] = {user: set() for user in users}
            for user in users:
                for call, method in ((call_one, UNARY), (call_other, STREAM), (call_one, STREAM)):
                    reply = await call.unary(method, metadata=[("x-user-id", user)])
                    seen[user].add(reply.variant)

    assert all(len(variants) == 1 for variants in seen.values())
    assert 20 < sum(variants == {"v2"} for variants in seen.values()) < 80


async def test_a_user_named_in_the_message_stays(engine: str) -> None:
    sticky = {"weights": {"v1": 50, "v2": 50}, "sticky": {"payload": True}}
    async with two_variants(engine, route(split=sticky)) as (_, call):
        for number in range(20):
            request = prediction_pb2.PredictRequest(user_id=f"user-{number}").SerializeToString()
            assert len({(await call.unary(UNARY, request)).variant for _ in range(5)}) == 1


async def test_a_user_named_in_a_compressed_message_is_the_same(engine: str) -> None:
    sticky = {"weights": {"v1": 50, "v2": 50}, "sticky": {"payload": True}}
    async with two_variants(engine, route(split=sticky)) as (_, call):
        seen = set()
        for number in range(20):
            message = prediction_pb2.PredictRequest(user_id=f"user-{number}", model_name="m" * 200)
            plain = await call.unary(UNARY, message.SerializeToString())
            for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
                pending = call.channel.unary_unary(UNARY)(
                    message.SerializeToString(), compression=compression
                )
                await pending
                assert (await pending.initial_metadata())["x-understudy-variant"] == plain.variant
            seen.add(plain.variant)

    assert seen == {"v1", "v2"}


V2_UNARY = "/inference.GRPCInferenceService/ModelInfer"
V2_STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"


@pytest.mark.parametrize("method", [V2_UNARY, V2_STREAM])
async def test_a_model_is_a_route(engine: str, method: str) -> None:
    iris = route("iris", match={"models": ["iris*"]}, weights={"v2": 1})
    async with two_variants(engine, iris, route(weights={"v1": 1})) as (_, call):
        named = await call.exchange(method, [b"\x0a\x06iris-2"])
        others = [await call.exchange(method, [body]) for body in (b"", b"\x0a\x05fraud", b"\xff")]

    assert (named.variant, named.message) == ("v2", b"\x0a\x06iris-2")
    assert {reply.variant for reply in others} == {"v1"}


async def test_a_place_in_the_message_that_the_route_names_ties_a_user(engine: str) -> None:
    sticky = {"weights": {"v1": 50, "v2": 50}, "sticky": {"payload_fields": ["7.1"]}}
    async with two_variants(engine, route(split=sticky)) as (_, call):
        seen = set()
        for number in range(20):
            request = b"\x3a\x04\x0a\x02u" + str(number % 10).encode()
            replies = [await call.exchange(STREAM, [request]) for _ in range(3)]
            assert len({reply.variant for reply in replies}) == 1
            seen.add(replies[0].variant)

    assert seen == {"v1", "v2"}
