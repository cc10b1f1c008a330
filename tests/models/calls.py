"""What these tests send through a sidecar, and services of MLServers."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient

from tests.models.digits import MODEL
from tests.models.processes import ModelServer

MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
MODEL_STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"
OUTPUTS = ("predict", "predict_proba")
AT_ONCE = 8


def service(servers: Mapping[str, ModelServer], weights: Mapping[str, float], **route: Any) -> dict[str, Any]:
    """A service of one route over every model server; `twin` is a second name of the first one's."""
    targets = {name: server.address for name, server in servers.items()}
    targets["twin"] = targets["v1"]
    sticky = route.pop("sticky", None)
    split = {"weights": weights} | ({"sticky": sticky} if sticky else {})
    return {
        "name": "digits",
        "variants": [{"name": name, "target": target} for name, target in targets.items()],
        "routes": [
            {
                "name": "predict",
                "match": {"methods": [MODEL_INFER, MODEL_STREAM_INFER]},
                "split": split,
                **route,
            }
        ],
    }


def mirror(variant: str, **compare: Any) -> dict[str, Any]:
    """Every call copied to a shadow, with all the time and room in the world."""
    return {"variant": variant, "percent": 100, "deadline": "60s", "max_in_flight": 4096, "compare": compare}


def tensor(images: NDArray[np.float32]) -> InferInput:
    """Raw FP32 contents."""
    found = InferInput("images", list(images.shape), "FP32")
    found.set_data_from_numpy(images)
    return found


async def infer(client: InferenceServerClient, images: NDArray[np.float32], **fields: Any) -> InferResult:
    """A prediction, with its probabilities."""
    wanted = [InferRequestedOutput(name) for name in OUTPUTS]
    model = fields.pop("model", MODEL)
    return await client.infer(model, [tensor(images)], outputs=wanted, client_timeout=60, **fields)


def version_of(result: InferResult) -> str:
    """The version that says it made a prediction."""
    return str(result.get_response().model_version)


async def infer_each(
    client: InferenceServerClient, images: NDArray[np.float32], users: Sequence[str] = ()
) -> list[InferResult]:
    """A call an image, a few at once, the results in the images' order; each for its user, where given."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(index: int) -> InferResult:
        headers = {"x-user-id": users[index]} if users else None
        async with at_once:
            return await infer(client, images[index : index + 1], headers=headers)

    return await asyncio.gather(*(one(index) for index in range(len(images))))
