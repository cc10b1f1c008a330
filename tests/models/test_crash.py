"""A model server that is killed costs its own calls only, and gets them back when it returns."""

import pytest
from tritonclient.utils import InferenceServerException

from tests.models.calls import infer, service, version_of
from tests.models.processes import eventually, sidecar, triton

pytestmark = pytest.mark.models

USERS = [f"user-{number}" for number in range(12)]


async def answers_of(client, images) -> list[str]:
    """For every user, the version that answered, or the status in its place."""
    found = []
    for user in USERS:
        try:
            found.append(version_of(await infer(client, images[:1], headers={"x-user-id": user})))
        except InferenceServerException as error:
            found.append(str(error.status()))
    return found


async def test_crash_fallback_and_return(all_alive, images, tmp_path) -> None:
    what = service(all_alive, {"v1": 50, "v2": 50}) | {"fallback": "v1"}
    unavailable = "StatusCode.UNAVAILABLE"
    async with sidecar(tmp_path, what) as one, triton(one.address) as client:

        async def until(expected: list[str], *allowed: str) -> None:
            async def look() -> bool:
                found = await answers_of(client, images)
                assert set(found) <= {*expected, *allowed}
                return found == expected

            await eventually(look)

        before = await answers_of(client, images)
        assert set(before) == {"v1", "v2"}

        await all_alive["v2"].kill()
        await until(["v1"] * len(USERS), unavailable)
        assert await one.count("understudy_fallback_total", variant="v2") >= before.count("v2")

        await all_alive["v1"].kill()
        await until([unavailable] * len(USERS))

        await all_alive["v2"].start()
        without_v1 = [unavailable if version == "v1" else version for version in before]
        await until(without_v1)

        await all_alive["v1"].start()
        await until(before, unavailable)
        assert await answers_of(client, images) == before
