import pathlib

from understudy.v1 import rollouts_pb2

from control.rollout.drafts import DEFAULT_KEEP_OLD
from tests.support.eventually import eventually
from tests.support.fake_sidecar import fake_sidecar
from tests.support.plane import Plane, control_plane, until
from tests.support.rollouts import make_rollout, make_service

TWO = {
    "variants": [{"name": name, "target": f"{name}:80"} for name in ("blue", "green", "pink")],
    "routes": [{"name": "all", "split": {"weights": {"blue": 100}}}],
}


async def switched(plane: Plane, **fields: object) -> None:
    await plane.apply(make_service(**TWO))
    await plane.start(make_rollout(name="one", candidate="green", blue_green=fields))
    await plane.until(lambda status: status.phase == "Succeeded", name="one")


def names(service: object) -> list[str]:
    return [variant.name for variant in service.variants]


async def test_the_old_variant_leaves_after_its_time(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await switched(plane, keep_old="600s")
        plane.clock.advance(599)
        assert names((await plane.service()).service) == ["blue", "green", "pink"]
        plane.clock.advance(1)
        await eventually(lambda: names(sidecar.received[-1].snapshot.service) == ["green", "pink"])


async def test_it_stays_an_hour_where_nothing_is_said(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address):
        await switched(plane)
    async with control_plane(tmp_path, plane.clock) as plane:
        plane.clock.advance(DEFAULT_KEEP_OLD)

        async def retired() -> bool | None:
            return names((await plane.service()).service) == ["green", "pink"] or None

        await until(retired)


async def test_an_undone_rollout_retires_nothing(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await switched(plane, keep_old="600s")
        await plane.rollouts.Undo(rollouts_pb2.UndoRequest(name="one"))
        plane.clock.advance(600)
        await plane.apply(make_service(**TWO, fallback="pink"))
        await eventually(lambda: sidecar.received[-1].snapshot.service.fallback == "pink")
        assert names((await plane.service()).service) == ["blue", "green", "pink"]


async def test_what_is_in_use_again_stays(tmp_path: pathlib.Path) -> None:
    async with control_plane(tmp_path) as plane, fake_sidecar(plane.address) as sidecar:
        await switched(plane, keep_old="600s")
        again = (await plane.service()).service
        again.fallback = "blue"
        await plane.apply(again)
        plane.clock.advance(600)
        await plane.start(make_rollout(name="two", candidate="pink", blue_green={"bake": "3600s"}))
        await eventually(lambda: sidecar.received[-1].snapshot.rollout == "two")
        assert names((await plane.service()).service) == ["blue", "green", "pink"]
