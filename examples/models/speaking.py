"""A digit classifier's words: requests to images, predictions to answers, in both protocols."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from understudy.v1 import prediction_pb2

from examples.models.digits import PIXELS, Model, Prediction
from examples.models.v2 import MESSAGES, SERVICE

PREDICT = "/understudy.v1.PredictionService/Predict"
MODEL_INFER = f"/{SERVICE}/ModelInfer"


class BadRequest(Exception):
    """The request is not one image of 64 pixels; the text says what would be right."""


def understudy_image(data: bytes) -> NDArray[np.float64]:
    """The image in a serialised PredictRequest: input `image`, 64 doubles or floats."""
    request = prediction_pb2.PredictRequest.FromString(data)
    for tensor in request.inputs:
        if tensor.name == "image":
            return _image(tensor.doubles or tensor.floats)
    raise BadRequest("an input called image is required")


def understudy_answer(data: bytes, model: Model, prediction: Prediction) -> bytes:
    """A serialised PredictResponse: `label` and `probabilities`."""
    request = prediction_pb2.PredictRequest.FromString(data)
    return prediction_pb2.PredictResponse(
        model_name=request.model_name or "digits",
        model_version=model.version,
        request_id=request.request_id,
        outputs=[
            prediction_pb2.Tensor(name="label", shape=[1], ints=[prediction.label]),
            prediction_pb2.Tensor(name="probabilities", shape=[1, 10], doubles=prediction.probabilities),
        ],
    ).SerializeToString()


def v2_image(data: bytes) -> NDArray[np.float64]:
    """The image in a serialised ModelInferRequest: input `image`, FP32 or FP64, typed or raw."""
    request = MESSAGES["ModelInferRequest"].FromString(data)
    for index, tensor in enumerate(request.inputs):
        if tensor.name == "image":
            if request.raw_input_contents:
                return _raw_image(tensor.datatype, request.raw_input_contents[index : index + 1])
            return _image(tensor.contents.fp32_contents or tensor.contents.fp64_contents)
    raise BadRequest("an input called image is required")


def v2_answer(data: bytes, model: Model, prediction: Prediction) -> bytes:
    """A serialised ModelInferResponse: `label` (INT64) and `probabilities` (FP64)."""
    request = MESSAGES["ModelInferRequest"].FromString(data)
    response = MESSAGES["ModelInferResponse"](
        model_name=request.model_name or "digits", model_version=model.version, id=request.id
    )
    label = response.outputs.add(name="label", datatype="INT64", shape=[1])
    label.contents.int64_contents.append(prediction.label)
    probabilities = response.outputs.add(name="probabilities", datatype="FP64", shape=[1, 10])
    probabilities.contents.fp64_contents.extend(prediction.probabilities)
    answer: bytes = response.SerializeToString()
    return answer


def v2_about(model: Model) -> dict[str, Callable[[], Any]]:
    """The protocol's other methods: who is there and what it takes."""
    tensors = {"inputs": [("image", "FP32", [1, PIXELS])], "outputs": [("label", "INT64", [1])]}
    tensors["outputs"].append(("probabilities", "FP64", [1, 10]))
    described = {
        side: [
            MESSAGES["TensorMetadata"](name=name, datatype=kind, shape=shape) for name, kind, shape in ones
        ]
        for side, ones in tensors.items()
    }
    return {
        f"/{SERVICE}/ServerLive": lambda: MESSAGES["ServerLiveResponse"](live=True),
        f"/{SERVICE}/ServerReady": lambda: MESSAGES["ServerReadyResponse"](ready=True),
        f"/{SERVICE}/ModelReady": lambda: MESSAGES["ModelReadyResponse"](ready=True),
        f"/{SERVICE}/ServerMetadata": lambda: MESSAGES["ServerMetadataResponse"](
            name="understudy-examples", version=model.version
        ),
        f"/{SERVICE}/ModelMetadata": lambda: MESSAGES["ModelMetadataResponse"](
            name="digits", versions=[model.version], platform="scikit-learn", **described
        ),
    }


def _raw_image(datatype: str, contents: Sequence[bytes]) -> NDArray[np.float64]:
    kind = {"FP32": "<f4", "FP64": "<f8"}.get(datatype)
    if kind is None or not contents:
        raise BadRequest("input image must be FP32 or FP64, with raw contents of its own")
    if len(contents[0]) != PIXELS * np.dtype(kind).itemsize:
        raise BadRequest(f"input image must have {PIXELS} {datatype} numbers, got {len(contents[0])} bytes")
    return _image(np.frombuffer(contents[0], kind))


def _image(values: Any) -> NDArray[np.float64]:
    image = np.asarray(values, np.float64)
    if image.size != PIXELS:
        raise BadRequest(f"input image must have {PIXELS} numbers, got {image.size}")
    if not np.isfinite(image).all():
        raise BadRequest("input image must have finite numbers only")
    return image
