"""Triton's client sees MLServer through the sidecar as it sees it without."""

import asyncio
import contextlib
import queue
from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferResult, service_pb2
from tritonclient.utils import InferenceServerException

from tests.models.calls import (
    MODEL_STREAM_INFER,
    OUTPUTS,
    infer,
    infer_each,
    mirror,
    service,
    tensor,
    version_of,
)
from tests.models.digits import MODEL, STREAMING_MODEL
from tests.models.processes import CHANNEL, raw_channel, sidecar, triton

pytestmark = pytest.mark.models


async def test_health_and_metadata(servers, tmp_path) -> None:
    seen = []
    async with sidecar(tmp_path, service(servers, {"v1": 1})) as one:
        for address in (one.address, servers["v1"].address):
            async with triton(address) as client:
                assert await client.is_server_live()
                assert await client.is_server_ready()
                assert await client.is_model_ready(MODEL)
                server = await client.get_server_metadata()
                seen.append((server, await client.get_model_metadata(MODEL)))

    through, direct = seen
    assert through == direct
    server, model = through
    assert server.name == "mlserver"
    assert (model.name, model.inputs[0].datatype) == (MODEL, "FP32")


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
async def test_predictions_are_the_model_s_own(servers, versions, images, tmp_path, compression) -> None:
    async with sidecar(tmp_path, service(servers, {"v2": 1})) as one, triton(one.address) as client:
        result = await infer(client, images, request_id="first", compression_algorithm=compression)

    assert (version_of(result), result.get_response().id) == ("v2", "first")
    assert np.array_equal(result.as_numpy("predict").ravel(), versions["v2"].predict(images))
    assert np.allclose(result.as_numpy("predict_proba"), versions["v2"].probabilities(images))


async def test_a_tensor_of_10_mib_is_served_and_mirrored(servers, versions, images, tmp_path) -> None:
    many = np.resize(images, (40_960, 64))
    what = service(servers, {"v1": 1}, mirrors=[mirror("twin", absolute=1e-6)])
    async with sidecar(tmp_path, what) as one, triton(one.address) as client:
        result = await infer(client, many)
        outcomes = await one.until_mirrored("twin", 1)

    assert np.array_equal(result.as_numpy("predict").ravel(), versions["v1"].predict(many))
    assert outcomes == {"match": 1}


async def test_mistakes_are_answered_as_without_a_sidecar(servers, images, tmp_path) -> None:
    async def mistakes(address: str) -> list[tuple[str, str]]:
        found = []
        async with triton(address) as client:
            for model, sent in (("no-such-model", images[:1]), (MODEL, images[:1, :32])):
                with pytest.raises(InferenceServerException) as error:
                    await infer(client, sent, model=model)
                found.append((error.value.status(), error.value.message()))
        return found

    async with sidecar(tmp_path, service(servers, {"v1": 1})) as one:
        through = await mistakes(one.address)

    assert through == await mistakes(servers["v1"].address)
    assert through[0][0] == "StatusCode.NOT_FOUND"


@contextlib.asynccontextmanager
async def streams(address: str) -> AsyncIterator[grpc.aio.StreamStreamMultiCallable]:
    """ModelStreamInfer as MLServer speaks it: with bare ModelInferResponses.

    Triton puts each into an envelope; on a bare one its client's own `start_stream` hangs, sidecar or not.
    """
    async with raw_channel(address) as channel:
        yield channel.stream_stream(
            MODEL_STREAM_INFER,
            request_serializer=service_pb2.ModelInferRequest.SerializeToString,
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )


def stream_request(images: NDArray[np.float32]) -> service_pb2.ModelInferRequest:
    one = tensor(images)
    return service_pb2.ModelInferRequest(
        model_name=STREAMING_MODEL,
        inputs=[one._get_tensor()],
        raw_input_contents=[one._get_content()],
        outputs=[service_pb2.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in OUTPUTS],
    )


async def test_a_stream_in_both_directions(servers, versions, images, tmp_path) -> None:
    async with sidecar(tmp_path, service(servers, {"v2": 1})) as one, streams(one.address) as begin:
        call = begin(timeout=60)
        labels = []
        for index in range(5):  # each answer before the next request
            await call.write(stream_request(images[index : index + 1]))
            labels.append(int(InferResult(await call.read()).as_numpy("predict").ravel()[0]))
        await call.done_writing()
        assert (await call.code()).name == "OK"
        metadata = dict(await call.initial_metadata())

    assert labels == list(versions["v2"].predict(images[:5]))
    assert metadata["x-understudy-variant"] == "v2"


async def test_a_stream_of_one_request_is_mirrored(servers, images, tmp_path) -> None:
    what = service(servers, {"v1": 1}, mirrors=[mirror("twin", absolute=1e-6), mirror("v3", absolute=1e-6)])
    async with sidecar(tmp_path, what) as one, streams(one.address) as begin:
        answers = []
        for index in range(3):
            request = stream_request(images[index : index + 1])
            answers += [answer async for answer in begin(iter([request]), timeout=60)]
        same, other = await one.until_mirrored("twin", 3), await one.until_mirrored("v3", 3)

    assert [answer.model_version for answer in answers] == ["v1"] * 3
    assert (same, other) == ({"match": 3}, {"mismatch": 3})


async def test_calls_at_once(servers, versions, images, tmp_path) -> None:
    """Every image gets its own answer back."""
    async with sidecar(tmp_path, service(servers, {"v1": 1})) as one, triton(one.address) as client:
        results = await infer_each(client, images[:200])

    labels = [int(result.as_numpy("predict").ravel()[0]) for result in results]
    assert labels == list(versions["v1"].predict(images[:200]))


async def test_the_blocking_client(servers, versions, images, tmp_path) -> None:
    async with sidecar(tmp_path, service(servers, {"v1": 1})) as one:
        waited, called_back = await asyncio.to_thread(blocking, one.address, images[:50])

    expected = list(versions["v1"].predict(images[:50]))
    assert list(waited.as_numpy("predict").ravel()) == expected
    assert list(called_back.as_numpy("predict").ravel()) == expected


def blocking(address: str, images: NDArray[np.float32]) -> tuple[InferResult, InferResult]:
    """The same twice: waiting for the answer, and called back with it."""
    answers: queue.Queue[tuple[InferResult, Exception | None]] = queue.Queue()
    with InferenceServerClient(address, channel_args=CHANNEL) as client:
        waited = client.infer(MODEL, [tensor(images)], client_timeout=60)
        client.async_infer(
            MODEL, [tensor(images)], lambda result, error: answers.put((result, error)), client_timeout=60
        )
        called_back, error = answers.get(timeout=90)
    assert error is None
    return waited, called_back
