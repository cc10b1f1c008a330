"""What shadows say, on its whole way: a sidecar process, the control service, its store, a report."""

import asyncio
import contextlib
import json
import pathlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import json_format
from understudy.v1 import service_pb2, services_pb2

from tests.support.callers import caller
from tests.support.eventually import eventually
from tests.support.models import Behaviour, Model, Received, answers, echo, hangs, model
from tests.support.plane import Plane, control_plane, until
from tests.support.predictions import ours
from tests.support.processes import Proxy, proxy, sidecar_file, understudy
from tests.support.sidecars import ENGINES

PREDICT = "/understudy.v1.PredictionService/Predict"
STREAM = "/any.Service/Method"
COLUMNS = [
    *("id", "timestamp", "primary_version", "shadow_version", "primary_prediction", "shadow_prediction"),
    *("primary_latency_ms", "shadow_latency_ms", "match", "outcome"),
]


ALWAYS_CAT = answers(ours(label=["cat"], score=[0.5]))


@dataclass
class Stage:
    """A control service with a real sidecar before two models: v1 answers, v2 is the shadow."""

    plane: Plane
    sidecar: Proxy
    models: dict[str, Model]

    async def apply(self, *mirrors: dict[str, Any]) -> None:
        """Bring mirrors into force, everywhere."""
        fraud = {
            "name": "fraud",
            "variants": [
                {"name": name, "target": one.address, "version": f"{name}.0"}
                for name, one in self.models.items()
            ],
            "routes": [{"name": "predict", "split": {"weights": {"v1": 100}}, "mirrors": list(mirrors)}],
        }
        status = await self.plane.apply(json_format.ParseDict(fraud, service_pb2.Service()))

        async def has_it() -> bool | None:
            sidecars = await self.plane.sidecars()
            return (bool(sidecars) and all(one.version >= status.version for one in sidecars)) or None

        await until(has_it)

    async def call(self, count: int) -> None:
        async with caller(self.sidecar.listening["data"]) as calls:
            for number in range(count):
                await calls.unary(PREDICT, b"", metadata=(("x-user-id", f"secret-user-{number}"),))

    async def report(self, compared: int, *, noise: int = 0) -> services_pb2.ShadowReportResponse:
        """The report, once it has so many comparisons with the shadow and of the primary with itself."""

        async def look() -> services_pb2.ShadowReportResponse | None:
            found = await self.plane.services.ShadowReport(
                services_pb2.ShadowReportRequest(service="fraud", mismatches=100)
            )
            counts = {True: 0, False: 0}
            for each in found.shadows:
                counts[each.noise] += each.matched + each.mismatched
            return found if counts == {False: compared, True: noise} else None

        return await until(look)


def every_fourth_differs() -> Behaviour:
    asked = 0

    async def behave(call: Received) -> None:
        nonlocal asked
        await call.read()
        asked += 1
        await call.write(ours(label=["cat" if asked % 4 else "dog"], score=[0.5]))

    return behave


def disagrees_with_itself() -> Behaviour:
    """As callers see it, always the same; of its second copies every fifth is another."""
    asked = 0

    async def behave(call: Received) -> None:
        nonlocal asked
        await call.read()
        asked += bool(call.values("x-understudy-mirror"))
        is_other = call.values("x-understudy-mirror") and asked % 5 == 0
        await call.write(ours(label=["dog" if is_other else "cat"], score=[0.5]))

    return behave


@contextlib.asynccontextmanager
async def stage(
    directory: pathlib.Path,
    primary: Behaviour = ALWAYS_CAT,
    shadow: Behaviour | None = None,
    **fields: Any,
) -> AsyncIterator[Stage]:
    async with (
        model(primary) as first,
        model(shadow or every_fourth_differs()) as second,
        control_plane(directory) as plane,
    ):
        fields |= {"control": plane.address, "subscribe": "fraud", "report_interval": "0.1s"}
        file = sidecar_file(directory, None, **fields)
        async with proxy(file) as sidecar:
            yield Stage(plane, sidecar, {"v1": first, "v2": second})


def rows(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The table, as a data scientist would read it; the control service is down."""
    with contextlib.closing(sqlite3.connect(directory / "understudy.db")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM comparisons ORDER BY id")]


async def test_mismatches_and_matches_come_to_rows_and_counts(tmp_path: pathlib.Path) -> None:
    compare = {"record_values": True, "sample_percent": 100}
    async with stage(tmp_path) as on:
        await on.apply({"variant": "v2", "percent": 100, "deadline": "20s", "compare": compare})
        await on.call(40)
        report = await on.report(40)
        (shadow,) = report.shadows
        assert (shadow.matched, shadow.mismatched, shadow.version) == (30, 10, "v2.0")
        assert shadow.match_rate == 0.75
        assert {each.outcome for each in report.mismatches} == {"mismatch_values"}
        shown = await understudy("shadow", "report", "fraud", "--control", on.plane.address)
        asked = await understudy("shadow", "report", "fraud", "--control", on.plane.address, "-o", "json")

    assert "75.00%" in shown.out
    assert '{"label": "cat", "score": 0.5} against {"label": "dog", "score": 0.5}' in shown.out
    assert json.loads(asked.out)["shadows"][0]["match_rate"] == 0.75
    assert "secret-user" not in shown.out + asked.out
    kept = rows(tmp_path)
    assert {tuple(row) for row in kept} == {tuple(COLUMNS)}
    assert sorted(row["outcome"] for row in kept) == ["match"] * 30 + ["mismatch_values"] * 10
    assert all(bool(row["match"]) == (row["outcome"] == "match") for row in kept)
    assert {(row["primary_version"], row["shadow_version"]) for row in kept} == {("v1.0", "v2.0")}
    assert all(row["primary_latency_ms"] > 0 and row["shadow_latency_ms"] > 0 for row in kept)
    assert {row["shadow_prediction"] for row in kept if not row["match"]} == {
        '{"label": "dog", "score": 0.5}'
    }


async def test_no_value_is_recorded_unless_the_route_says_so(tmp_path: pathlib.Path) -> None:
    async with stage(tmp_path) as on:
        await on.apply({"variant": "v2", "percent": 100, "deadline": "20s"})
        await on.call(8)
        await on.report(8)

    kept = [row for row in rows(tmp_path) if not row["match"]]
    assert len(kept) == 2
    assert {(row["primary_prediction"], row["shadow_prediction"]) for row in kept} <= {(None, None), ("", "")}


async def test_a_noise_twin_may_come_and_go_while_calls_run(tmp_path: pathlib.Path) -> None:
    shadow = {"variant": "v2", "percent": 100, "deadline": "20s"}
    itself = {"noise_of": "stable", "percent": 100, "deadline": "20s"}
    async with stage(tmp_path) as on:
        await on.apply(shadow)
        await on.call(8)
        await on.apply(shadow, itself)
        await on.call(8)
        await on.apply(shadow)
        await on.call(8)
        report = await on.report(24, noise=8)

    by_noise = {each.noise: each for each in report.shadows}
    assert (by_noise[True].matched, by_noise[True].mismatched) == (8, 0)
    assert by_noise[False].match_rate == 0.75
    assert by_noise[False].match_rate_without_noise == 0.75  # the model agrees with itself


async def test_the_rate_is_told_with_and_without_the_models_own_noise(
    tmp_path: pathlib.Path,
) -> None:
    shadow = {"variant": "v2", "percent": 100, "deadline": "20s"}
    itself = {"noise_of": "stable", "percent": 100, "deadline": "20s"}
    async with stage(tmp_path, disagrees_with_itself()) as on:
        await on.apply(shadow, itself)
        await on.call(40)
        report = await on.report(40, noise=40)
        shown = await understudy("shadow", "report", "fraud", "--control", on.plane.address)
        _, metrics = await on.sidecar.get("status", "/metrics")

    by_noise = {each.noise: each for each in report.shadows}
    assert (by_noise[True].variant, by_noise[True].matched, by_noise[True].mismatched) == ("v1", 32, 8)
    assert (by_noise[False].variant, by_noise[False].matched, by_noise[False].mismatched) == ("v2", 30, 10)
    assert by_noise[False].match_rate == 0.75
    assert by_noise[False].match_rate_without_noise == 0.75 / 0.8
    rows_shown = [line.split() for line in shown.out.splitlines()]
    assert ["predict", "v2", "v2.0", "40", "75.00%", "93.75%", "0", "0"] in rows_shown
    (of_itself,) = (row for row in rows_shown if "(itself)" in row)
    assert "80.00%" in of_itself
    assert {each.shadow for each in report.mismatches} == {"v2"}  # the model's own are none of the shadow's
    counted = 'understudy_mirror_total{outcome="%s",service="fraud",variant="%s"} %s'
    for outcome, variant, count in [
        *(("match", "v1", 32.0), ("mismatch", "v1", 8.0), ("match", "v2", 30.0), ("mismatch", "v2", 10.0)),
    ]:
        assert counted % (outcome, variant, count) in metrics


@pytest.mark.parametrize("engine", ENGINES)
async def test_copies_of_streams_are_counted_to_the_last_at_the_end(
    tmp_path: pathlib.Path, engine: str
) -> None:
    """Nobody waits for the copies' deadline, and the last report has every one of them."""
    async with stage(tmp_path, echo, hangs, engine=engine) as on:
        await on.apply({"variant": "v2", "percent": 100, "deadline": "300s"})
        async with caller(on.sidecar.listening["data"]) as calls:
            for _ in range(5):
                reply = await calls.exchange(STREAM, [b"a", b"b"])
                assert reply.messages == (b"a", b"b")
        await eventually(lambda: len(on.models["v2"].calls) == 5)
        on.sidecar.terminate()
        assert await on.sidecar.ended() == 0
        report = await on.plane.services.ShadowReport(services_pb2.ShadowReportRequest(service="fraud"))

    assert [dict(each.outcomes) for each in report.shadows] == [{"cancelled": 5}]


async def test_where_nothing_was_compared_there_is_no_rate(tmp_path: pathlib.Path) -> None:
    async with stage(tmp_path) as on:
        await on.apply()
        await on.call(3)
        shown, asked = await asyncio.gather(
            understudy("shadow", "report", "fraud", "--control", on.plane.address),
            understudy("shadow", "report", "fraud", "--control", on.plane.address, "-o", "json"),
        )

    assert "match rate n/a" in shown.out
    assert json.loads(asked.out)["shadows"] == []
