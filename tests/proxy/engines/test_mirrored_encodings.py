"""Compressed answers are compared by what they say: end to end, plain against gzip against deflate.

The relay passes compressed frames on as they are; gRPC's core inflates what `grpc-aio` receives.
"""

import gzip
import os

import grpc
import pytest

from tests.support.mirroring import mirrored
from tests.support.models import Behaviour, Received
from tests.support.predictions import ours

OURS = "/understudy.v1.PredictionService/Predict"
UNKNOWN = "/any.Service/Method"
MIB = 2**20
COPIES = 3
PLAIN, GZIP, DEFLATE = grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate


def compressed(message: bytes, how: grpc.Compression) -> Behaviour:
    """One answer, compressed by the model server."""

    async def behave(call: Received) -> None:
        await call.read()
        call.context.set_compression(how)
        await call.write(message)

    return behave


@pytest.mark.parametrize("method", [OURS, UNKNOWN])
@pytest.mark.parametrize("primary", [PLAIN, GZIP, DEFLATE])
@pytest.mark.parametrize("shadow", [PLAIN, GZIP, DEFLATE])
async def test_what_they_say_is_compared(
    engine: str, method: str, primary: grpc.Compression, shadow: grpc.Compression
) -> None:
    says, differs = b"again and again " * 1000, b"again and again " * 999 + b"again, but no more"
    async with mirrored(engine, compressed(says, primary), compressed(says, shadow)) as at:
        assert (await at.call.unary(method)).message == says
        await at.sidecar.until_mirrored()
        assert at.outcomes == {"match": 1}

        at.shadow.behaviour = compressed(differs, shadow)
        assert (await at.call.unary(method)).message == says
        await at.sidecar.until_mirrored()
        assert at.outcomes == {"match": 1, "mismatch": 1}


async def test_compressed_predictions_are_compared_within_the_tolerance(engine: str) -> None:
    primary, shadow = (ours(score=[0.5 + off] * 1000, label=["cat"]) for off in (0.0, 0.005))
    compare = {"absolute": 0.01, "outputs": ["score"]}
    async with mirrored(engine, compressed(primary, GZIP), compressed(shadow, PLAIN), compare=compare) as at:
        assert (await at.call.unary(OURS)).ok
        await at.sidecar.until_mirrored()

    assert at.outcomes == {"match": 1}


async def test_every_message_of_a_stream_is_inflated(engine: str) -> None:
    async def behave(call: Received) -> None:
        call.context.set_compression(GZIP)
        for message in await call.read_all():
            await call.write(message * 1000)

    async with mirrored(engine, behave, behave) as at:
        reply = await at.call.exchange(UNKNOWN, [b"a", b"b", b"c"])
        await at.sidecar.until_mirrored()

    assert reply.messages == (b"a" * 1000, b"b" * 1000, b"c" * 1000)
    assert at.outcomes == {"match": 1}


@pytest.mark.parametrize("bombs", ["shadow", "both"])
async def test_a_bomb_takes_no_more_room_than_there_is(engine: str, bombs: str) -> None:
    """32 MiB in 32 KiB: nobody has that room, and it is not inflated to find out."""
    bomb = compressed(bytes(32 * MIB), GZIP)
    primary = bomb if bombs == "both" else compressed(b"no bomb", PLAIN)
    options = {"mirror_bytes": 4 * MIB}
    async with mirrored(engine, primary, bomb, options=options) as at:
        most = 0
        for _ in range(COPIES):
            assert (await at.call.unary(UNKNOWN)).ok
            most = max(most, at.sidecar.mirrors.bytes_held)
            await at.sidecar.until_mirrored()
            most = max(most, at.sidecar.mirrors.bytes_held)

    assert most <= 4 * MIB
    assert sum(at.outcomes.values()) == COPIES
    assert set(at.outcomes) <= {"uncompared", "dropped_bytes", "mismatch"}


async def test_what_does_not_compress_is_compared_as_well(engine: str) -> None:
    noise = os.urandom(3 * MIB)
    assert len(gzip.compress(noise)) > len(noise)
    async with mirrored(engine, compressed(noise, GZIP), compressed(noise, PLAIN)) as at:
        assert (await at.call.unary(UNKNOWN)).message == noise
        await at.sidecar.until_mirrored()

    assert at.outcomes == {"match": 1}
