import pathlib

import pytest

from control.store.errors import Conflict
from tests.support.rollouts import make_service
from tests.support.stores import opened


async def test_an_applied_service_is_in_force(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        stored = await store.services.apply(make_service(), 5.0, expected=0)
        assert stored == await store.services.find("fraud")
        assert (stored.base, stored.in_force, stored.version) == (make_service(), make_service(), 1)
        assert await store.services.find("spam") is None
        assert await store.services.every() == [stored]


async def test_only_what_was_read_is_replaced(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 5.0, expected=0)
        with pytest.raises(Conflict):
            await store.services.apply(make_service(stable="v2"), 6.0, expected=0)
        changed = await store.services.apply(make_service(stable="v2"), 6.0, expected=1)
        assert changed.version == 2


async def test_slots_know_when_they_were_deployed(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 5.0, expected=0)
        changed = make_service()
        changed.variants[1].version = "2.1"
        del changed.variants[2]
        del changed.routes[1].split.weights["v3"]
        await store.services.apply(changed, 6.0, expected=1)
        assert await store.services.deployed_at("fraud") == {"v1": 5.0, "v2": 6.0}
        await store.services.deploy(changed, 7.0, expected=2, variant="v1")
        assert await store.services.deployed_at("fraud") == {"v1": 7.0, "v2": 6.0}


async def test_the_last_switch_is_remembered_until_it_means_nothing(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.services.apply(make_service(), 5.0, expected=0)
        assert await store.services.previous_slot("fraud") == ""
        await store.services.switch(make_service(stable="v2"), 6.0, expected=1, previous="v1")
        await store.services.switch(make_service(stable="v3"), 7.0, expected=2, previous="v2")
        assert await store.services.previous_slot("fraud") == "v2"
        await store.services.deploy(make_service(stable="v3"), 8.0, expected=3, variant="v1")
        assert await store.services.previous_slot("fraud") == "v2"
        await store.services.switch(make_service(stable="v2"), 9.0, expected=4, previous="")
        assert await store.services.previous_slot("fraud") == ""
