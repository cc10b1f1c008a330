"""The model servers speak both protocols, and count what they served."""

import json

import grpc
import pytest
from understudy.v1 import prediction_pb2

from examples.calls import COUNTS
from examples.model_server import DigitServer
from examples.models import speaking
from examples.models.digits import accuracy, split, train
from examples.models.v2 import MESSAGES, SERVICE

_, HELD_OUT = split()


@pytest.fixture(scope="module")
def models():
    return {name: train(name) for name in ("v1", "v2", "v3")}


@pytest.fixture
async def channel(models):
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((DigitServer(models["v2"]),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


def ours(image) -> bytes:
    tensor = prediction_pb2.Tensor(name="image", shape=[1, 64], doubles=image)
    return prediction_pb2.PredictRequest(model_name="digits", inputs=[tensor]).SerializeToString()


def test_v2_is_better_than_v1_and_v3_is_wrong(models):
    scores = {name: accuracy(model, HELD_OUT) for name, model in models.items()}
    assert scores["v2"] > scores["v1"] + 0.03
    assert scores["v1"] > 0.8
    assert scores["v3"] < 0.6
    assert models["v3"].delay > 0.05


async def test_both_protocols_give_the_same_prediction(channel, models):
    image = HELD_OUT.images[0]
    answer = prediction_pb2.PredictResponse.FromString(
        await channel.unary_unary(speaking.PREDICT)(ours(image))
    )
    request = MESSAGES["ModelInferRequest"](model_name="digits", id="7")
    request.inputs.add(name="image", datatype="FP64", shape=[1, 64]).contents.fp64_contents.extend(image)
    v2 = MESSAGES["ModelInferResponse"].FromString(
        await channel.unary_unary(speaking.MODEL_INFER)(request.SerializeToString())
    )
    expected = models["v2"].predict(image)
    assert list(answer.outputs[0].ints) == [expected.label] == list(v2.outputs[0].contents.int64_contents)
    assert list(answer.outputs[1].doubles) == list(v2.outputs[1].contents.fp64_contents)
    assert (v2.id, v2.model_version, answer.model_version) == ("7", "2.0.0", "2.0.0")


async def test_raw_contents_are_read_as_typed_ones(channel, models):
    image = HELD_OUT.images[1]
    request = MESSAGES["ModelInferRequest"](raw_input_contents=[image.astype("<f4").tobytes()])
    request.inputs.add(name="image", datatype="FP32", shape=[1, 64])
    answer = await channel.unary_unary(speaking.MODEL_INFER)(request.SerializeToString())
    response = MESSAGES["ModelInferResponse"].FromString(answer)
    assert list(response.outputs[0].contents.int64_contents) == [models["v2"].predict(image).label]


@pytest.mark.parametrize("request_bytes", [b"", b"\xff\xff", ours([1.0, 2.0])])
async def test_a_request_without_an_image_is_refused(channel, request_bytes):
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await channel.unary_unary(speaking.PREDICT)(request_bytes)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [("FP32", b"abc"), ("FP64", bytes(256)), ("INT64", bytes(512)), ("FP32", b"\x00\x00\xc0\x7f" * 64)],
)
async def test_raw_contents_that_are_no_image_are_refused(channel, datatype, contents):
    request = MESSAGES["ModelInferRequest"](raw_input_contents=[contents])
    request.inputs.add(name="image", datatype=datatype, shape=[1, 64])
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await channel.unary_unary(speaking.MODEL_INFER)(request.SerializeToString())
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "input image" in failure.value.details()


async def test_health_and_metadata_are_told(channel):
    ready = await channel.unary_unary(f"/{SERVICE}/ModelReady")(b"")
    assert MESSAGES["ModelReadyResponse"].FromString(ready).ready
    about = MESSAGES["ModelMetadataResponse"].FromString(
        await channel.unary_unary(f"/{SERVICE}/ModelMetadata")(b"")
    )
    assert [tensor.name for tensor in about.outputs] == ["label", "probabilities"]


async def test_callers_and_copies_are_counted_apart(channel):
    predict = channel.unary_unary(speaking.PREDICT)
    await predict(ours(HELD_OUT.images[0]), metadata=(("x-user-id", "ann"),))
    await predict(ours(HELD_OUT.images[0]), metadata=(("x-user-id", "bob"), ("x-understudy-mirror", "1")))
    served = json.loads(await channel.unary_unary(COUNTS)(b""))
    assert [(user, mirrored) for _, user, mirrored in served] == [("ann", False), ("bob", True)]


async def test_an_unknown_method_is_unimplemented(channel):
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await channel.unary_unary("/a.B/C")(b"")
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
