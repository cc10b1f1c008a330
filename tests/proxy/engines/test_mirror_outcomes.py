"""What becomes of copies: each has one outcome, whatever the two answers are or fail to be."""

from typing import Any

import grpc
import pytest

from tests.support.eventually import eventually, soon
from tests.support.mirroring import mirrored
from tests.support.models import answers, echo, fails, hangs
from tests.support.predictions import ours, v2

OURS = "/understudy.v1.PredictionService/Predict"
V2 = "/inference.GRPCInferenceService/ModelInfer"
UNKNOWN = "/any.Service/Method"
METHODS = pytest.mark.parametrize("method", [OURS, V2, UNKNOWN])


@METHODS
async def test_equal_answers_match(engine: str, method: str) -> None:
    async with mirrored(engine) as setup:
        replies = [await setup.call.unary(method, b"%d" % number) for number in range(20)]
        await setup.sidecar.until_mirrored()

    copied = [call.messages for call in setup.shadow.calls]
    assert all(reply.ok and reply.variant == "v1" for reply in replies)
    assert setup.outcomes == {"match": 20}
    assert sorted(copied) == sorted(call.messages for call in setup.primary.calls)


@METHODS
async def test_other_answers_mismatch(engine: str, method: str) -> None:
    async with mirrored(engine, answers(b"yes"), answers(b"no")) as setup:
        assert (await setup.call.unary(method)).message == b"yes"
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"mismatch": 1}


@pytest.mark.parametrize(
    ("method", "primary", "shadow", "outcome"),
    [
        (OURS, ours(score=[0.5], label=["a"]), ours(label=["a"], score=[0.5005]), "match"),
        (OURS, ours(score=[0.5], label=["a"]), ours(score=[0.6], label=["a"]), "mismatch"),
        (OURS, ours(score=[0.5], label=["a"]), ours(score=[0.5], label=["b"]), "mismatch"),
        (OURS, ours(score=[0.5], other=[1.0]), ours(score=[0.5], other=[9.0]), "match"),
        (V2, v2({"score": [0.5], "label": [1.0]}), v2({"label": [1.0], "score": [0.5005]}), "match"),
        (V2, v2({"score": [0.5]}, "v1"), v2({"score": [0.5]}, "v2"), "match"),
        (V2, v2({"score": [0.5]}), v2({"score": [0.6]}), "mismatch"),
        (V2, v2({"score": [0.5]}), v2({"label": [0.5]}), "mismatch"),
    ],
)
async def test_predictions_are_compared_within_the_tolerance(
    engine: str, method: str, primary: bytes, shadow: bytes, outcome: str
) -> None:
    compare = {"absolute": 0.01, "outputs": ["score", "label"] if b"label" in primary else ["score"]}
    async with mirrored(engine, answers(primary), answers(shadow), compare=compare) as setup:
        assert (await setup.call.unary(method)).message == primary
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {outcome: 1}


async def test_a_shadow_that_never_answers_runs_into_its_deadline(engine: str) -> None:
    async with mirrored(engine, shadow=hangs, deadline="0.2s") as setup:
        replies = [await setup.call.unary(OURS) for _ in range(10)]
        await setup.sidecar.until_mirrored()
        for copy in setup.shadow.calls:
            await soon(copy.cancelled)

    assert all(reply.ok for reply in replies)
    assert setup.outcomes == {"deadline": 10}


async def test_a_shadow_that_is_not_there_is_unreachable(engine: str) -> None:
    async with mirrored(engine) as setup:
        await setup.shadow.kill()
        await setup.sidecar.until_dead("v2")
        replies = [await setup.call.unary(OURS) for _ in range(10)]
        await setup.sidecar.until_mirrored()

    assert all(reply.ok for reply in replies)
    assert setup.outcomes == {"unreachable": 10}


async def test_a_shadow_that_dies_with_copies_in_flight_fails_them(engine: str) -> None:
    async with mirrored(engine, shadow=hangs) as setup:
        replies = [await setup.call.unary(OURS) for _ in range(10)]
        await eventually(lambda: len(setup.shadow.calls) == 10)
        await setup.shadow.kill()
        await setup.sidecar.until_mirrored()

    assert all(reply.ok for reply in replies)
    assert setup.outcomes == {"error": 10}


async def test_a_shadow_that_fails_where_the_primary_does_not_is_an_error(engine: str) -> None:
    async with mirrored(engine, shadow=fails(grpc.StatusCode.INTERNAL, "broken")) as setup:
        assert (await setup.call.unary(OURS)).ok
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"error": 1}


async def test_the_same_failure_is_a_match_and_another_is_not(engine: str) -> None:
    no_model = fails(grpc.StatusCode.NOT_FOUND, "no such model")
    async with mirrored(engine, no_model, no_model) as setup:
        await setup.call.unary(OURS)
        await setup.sidecar.until_mirrored()
        setup.shadow.behaviour = echo
        await setup.call.unary(OURS)
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"match": 1, "mismatch": 1}


async def test_two_that_cannot_be_reached_do_not_agree(engine: str) -> None:
    async with mirrored(engine) as setup:
        await setup.primary.kill()
        await setup.shadow.kill()
        await setup.sidecar.until_dead("v1")
        await setup.sidecar.until_dead("v2")
        reply = await setup.call.unary(OURS)
        await setup.sidecar.until_mirrored()

    assert reply.code is grpc.StatusCode.UNAVAILABLE
    assert setup.outcomes == {}  # nobody took the call: there is nothing to copy


@METHODS
async def test_a_cancelled_primary_has_nothing_to_compare(engine: str, method: str) -> None:
    async with mirrored(engine, primary=hangs) as setup:
        pending: Any = setup.call.channel.unary_unary(method)(b"x")
        await setup.primary.next_call()
        await setup.shadow.next_call()
        pending.cancel()
        await setup.sidecar.until_mirrored()

    assert setup.outcomes == {"cancelled": 1}
