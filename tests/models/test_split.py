"""Users keep their version, versions get their share."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom
from tritonclient.grpc import service_pb2_grpc
from tritonclient.grpc._utils import _get_inference_request

from tests.models.calls import MODEL_INFER, infer, infer_each, service, tensor, version_of
from tests.models.digits import MODEL
from tests.models.processes import raw_channel, sidecar, triton

pytestmark = pytest.mark.models

WEIGHTS = {"v1": 70, "v2": 30}
USERS = [f"user-{number}" for number in range(300)]


def share_is_as_asked(served: Counter[str], confidence: float) -> bool:
    low, high = binom.interval(confidence, served.total(), WEIGHTS["v2"] / sum(WEIGHTS.values()))
    return set(served) == set(WEIGHTS) and low <= served["v2"] <= high


async def test_a_user_stays_on_one_version(servers, images, tmp_path) -> None:
    users = USERS * 2
    async with sidecar(tmp_path, service(servers, WEIGHTS)) as one, triton(one.address) as client:
        results = await infer_each(client, np.resize(images, (len(users), 64)), users)
        counted = {
            name: await one.count("understudy_requests_total", variant=name, method=MODEL_INFER, code="OK")
            for name in WEIGHTS
        }

    served = [version_of(result) for result in results]
    assert served[: len(USERS)] == served[len(USERS) :]
    assert share_is_as_asked(Counter(served[: len(USERS)]), 0.999)
    assert counted == Counter(served)


async def test_a_user_in_the_message_is_the_user_in_the_metadata(servers, images, tmp_path) -> None:
    """`parameters["user_id"]`, else the request's id; two sidecars agree."""
    users, image = USERS[:40], images[:1]
    (tmp_path / "payload").mkdir()
    sticky = {"salt": "digits-2026"}
    by_metadata = service(servers, WEIGHTS, sticky=sticky | {"metadata": ["x-user-id"]})
    by_message = service(servers, WEIGHTS, sticky=sticky | {"payload": True})
    async with sidecar(tmp_path, by_metadata) as one, triton(one.address) as client:
        expected = [version_of(await infer(client, image, headers={"x-user-id": user})) for user in users]
    async with sidecar(tmp_path / "payload", by_message) as one, triton(one.address) as client:
        by_parameter = [
            version_of(await infer(client, image, parameters={"user_id": user}, request_id="any"))
            for user in users
        ]
        by_id = [version_of(await infer(client, image, request_id=user)) for user in users]
        compressed = [
            version_of(await infer(client, image, request_id=user, compression_algorithm="gzip"))
            for user in users
        ]

    assert set(expected) == set(WEIGHTS)
    assert by_parameter == by_id == compressed == expected


async def test_nobody_s_calls_are_drawn(servers, images, tmp_path) -> None:
    async with sidecar(tmp_path, service(servers, WEIGHTS)) as one, triton(one.address) as client:
        results = await infer_each(client, np.resize(images, (300, 64)))

    assert share_is_as_asked(Counter(map(version_of, results)), 1 - 1e-9)  # drawn anew in every run


async def test_the_variant_named_is_the_version_that_answered(servers, images, tmp_path) -> None:
    request = _get_inference_request(
        MODEL,
        [tensor(images[:1])],
        "",
        "",
        None,
        0,
        False,
        False,
        0,
        None,
        None,  # its own order
    )
    async with sidecar(tmp_path, service(servers, WEIGHTS)) as one, raw_channel(one.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        named, answered = [], []
        for user in USERS[:20]:
            call = stub.ModelInfer(request, metadata=[("x-user-id", user)], timeout=60)
            answered.append((await call).model_version)
            named.append(dict(await call.initial_metadata())["x-understudy-variant"])

    assert named == answered
    assert set(named) == set(WEIGHTS)
