"""A shadow's predictions are held against those that callers got: what differs is found, and nothing else."""

import asyncio

import numpy as np
import pytest

from tests.models.calls import infer_each, mirror, service, version_of
from tests.models.processes import DEADLINE, sidecar, triton

pytestmark = pytest.mark.models

CALLS = 150


async def test_the_same_model_always_matches(servers, images, tmp_path) -> None:
    """MLServer gives every response an id of its own; the rounding of a last bit is nobody's promise."""
    what = service(servers, {"v1": 1}, mirrors=[mirror("twin", absolute=1e-6)])
    async with sidecar(tmp_path, what) as one, triton(one.address) as client:
        await infer_each(client, images[:CALLS])
        outcomes = await one.until_mirrored("twin", CALLS)

    assert outcomes == {"match": CALLS}


async def test_labels_that_differ_are_found_exactly(servers, versions, images, tmp_path) -> None:
    what = service(servers, {"v1": 1}, mirrors=[mirror("v3", outputs=["predict"])])
    differ = int(np.count_nonzero(versions["v1"].predict(images) != versions["v3"].predict(images)))
    async with sidecar(tmp_path, what) as one, triton(one.address) as client:
        await infer_each(client, images)
        outcomes = await one.until_mirrored("v3", len(images))

    assert 0 < differ < len(images)
    assert outcomes == {"mismatch": differ, "match": len(images) - differ}


async def test_a_shadow_third_behind_a_sticky_split(servers, versions, images, tmp_path) -> None:
    """Each copy is held against the version that served that user, within the tolerance."""
    sent, absolute = images[:300], 0.3
    users = [f"user-{number % 60}" for number in range(len(sent))]
    what = service(
        servers, {"v1": 50, "v2": 50}, mirrors=[mirror("v3", absolute=absolute, outputs=["predict_proba"])]
    )
    async with sidecar(tmp_path, what) as one, triton(one.address) as client:
        results = await infer_each(client, sent, users)
        outcomes = await one.until_mirrored("v3", len(sent))

    served = [version_of(result) for result in results]
    of_user = dict(zip(users, served, strict=True))
    assert [of_user[user] for user in users] == served
    assert set(served) == {"v1", "v2"}
    shadow = np.vstack([versions["v3"].probabilities(image[np.newaxis]) for image in sent])
    primary = np.vstack([result.as_numpy("predict_proba") for result in results])
    differ = int(np.count_nonzero(np.any(np.abs(primary - shadow) > absolute, axis=1)))
    assert 0 < differ < len(sent)
    assert outcomes == {"mismatch": differ, "match": len(sent) - differ}


def compared(outcomes: dict[str, int]) -> int:
    return outcomes.get("match", 0) + outcomes.get("mismatch", 0)


async def test_a_shadow_that_is_killed_and_comes_back(all_alive, images, tmp_path) -> None:
    what = service(all_alive, {"v1": 1}, mirrors=[mirror("v3", outputs=["predict"])])
    shadow = all_alive["v3"]
    async with sidecar(tmp_path, what) as one, triton(one.address) as client:
        await infer_each(client, images[:20])
        await one.until_mirrored("v3", 20)
        await shadow.kill()
        results = await infer_each(client, images[20:60])
        dead = await one.until_mirrored("v3", 60)
        await shadow.start()
        sent = 60
        async with asyncio.timeout(DEADLINE):
            while compared(await one.until_mirrored("v3", sent)) < 40:
                results += await infer_each(client, images[:4])
                sent += 4

    assert {version_of(result) for result in results} == {"v1"}
    assert compared(dead) == 20
    failed = dead.get("unreachable", 0) + dead.get("error", 0)
    assert failed >= 10  # then it is left alone
    assert failed + dead.get("dropped_breaker", 0) == 40
