"""The Predict protocols that are known by name: which methods are unary, where a user id and a model's
name stand.

They are read by field number; no descriptor of theirs is ever registered, since the names would collide
with those that model servers and clients register in one process.

Sources: KServe's Open Inference Protocol (`inference.GRPCInferenceService`), TensorFlow Serving's
`predict.proto`, TorchServe's `inference.proto`.
"""

from enum import StrEnum

from proxy.policy.wire import Entry, Path, find


class Protocol(StrEnum):
    """What a method's messages are."""

    UNDERSTUDY = "understudy"
    V2 = "v2"
    TENSORFLOW = "tensorflow"
    TORCHSERVE = "torchserve"


UNDERSTUDY_PREDICT = "/understudy.v1.PredictionService/Predict"
V2_MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
V2_MODEL_STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"
TENSORFLOW_PREDICT = "/tensorflow.serving.PredictionService/Predict"
TORCHSERVE_PREDICTIONS = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Predictions"

PREDICT: dict[str, Protocol] = {
    UNDERSTUDY_PREDICT: Protocol.UNDERSTUDY,
    V2_MODEL_INFER: Protocol.V2,
    V2_MODEL_STREAM_INFER: Protocol.V2,
    TENSORFLOW_PREDICT: Protocol.TENSORFLOW,
    TORCHSERVE_PREDICTIONS: Protocol.TORCHSERVE,
}

USER_ID: dict[Protocol, tuple[Path, ...]] = {
    Protocol.UNDERSTUDY: ((3,),),
    Protocol.V2: ((Entry(4, b"user_id"), 3), (3,)),  # parameters["user_id"].string_param, then id
    Protocol.TENSORFLOW: ((7, 1), (6,)),  # request_options.client_id, then client_id
    Protocol.TORCHSERVE: ((Entry(3, b"user_id"),),),  # input["user_id"]
}
"""Where a request holds its user id, in the order of preference."""

_V2 = "/inference.GRPCInferenceService/"
_TENSORFLOW = "/tensorflow.serving."
_TORCHSERVE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/"

MODEL_NAME: dict[str, Path] = {
    UNDERSTUDY_PREDICT: (1,),
    **dict.fromkeys(
        [_V2 + name for name in ("ModelInfer", "ModelStreamInfer", "ModelReady", "ModelMetadata")], (1,)
    ),
    **dict.fromkeys([_V2 + name for name in ("ModelConfig", "ModelStatistics")], (1,)),
    **dict.fromkeys(
        [
            f"{_TENSORFLOW}PredictionService/{name}"
            for name in ("Predict", "Classify", "Regress", "GetModelMetadata")
        ],
        (1, 1),  # model_spec.name
    ),
    f"{_TENSORFLOW}ModelService/GetModelStatus": (1, 1),
    **dict.fromkeys([_TORCHSERVE + name for name in ("Predictions", "StreamPredictions")], (1,)),
}
"""Where a request names its model, by method."""

MODEL_NAME_BYTES = 1024 * 1024
"""How far into a message its model's name is looked for."""


def names_model(method: str) -> bool:
    """Whether a request of this method names a model."""
    return method in MODEL_NAME


def model_of(method: str, message: bytes) -> str | None:
    """The model that a request names; None where it names none."""
    path = MODEL_NAME.get(method)
    found = find(message, path, MODEL_NAME_BYTES) if path is not None else None
    return found.value.decode(errors="replace") if found is not None else None


_UNARY_PREFIXES = (_V2, _TENSORFLOW)
_UNARY = frozenset(
    {
        UNDERSTUDY_PREDICT,
        TORCHSERVE_PREDICTIONS,
        "/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping",
        "/grpc.health.v1.Health/Check",
    }
)


def is_known_unary(method: str) -> bool:
    """One request and one response, by the protocol's definition; unknown methods may be as well."""
    if method in _UNARY:
        return True
    return method.startswith(_UNARY_PREFIXES) and "Stream" not in method.rpartition("/")[2]
