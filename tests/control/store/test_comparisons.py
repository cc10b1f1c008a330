import pathlib
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from understudy.v1 import telemetry_pb2

from control.store import comparisons
from control.store.database import Database
from control.store.schema import comparisons as rows
from control.times import to_duration, to_timestamp
from tests.support.fake_sidecar import copies
from tests.support.stores import opened

COLUMNS = [
    *("id", "timestamp", "primary_version", "shadow_version", "primary_prediction", "shadow_prediction"),
    *("primary_latency_ms", "shadow_latency_ms", "match", "outcome"),
]


def record(outcome: str = "mismatch_values", **fields: Any) -> telemetry_pb2.ComparisonRecord:
    return telemetry_pb2.ComparisonRecord(
        route="predict",
        primary="v1",
        shadow="v2",
        shadow_version="2.0.0",
        time=to_timestamp(5),
        primary_latency=to_duration(0.004),
        shadow_latency=to_duration(0.5),
        match=outcome == "match",
        outcome=outcome,
        **fields,
    )


def report(sequence: int, *records: Any, evidence: Any = ()) -> telemetry_pb2.TelemetryReportRequest:
    return telemetry_pb2.TelemetryReportRequest(
        node="pod-1",
        boot_id="boot-1",
        sequence=sequence,
        service="fraud",
        comparisons=records,
        evidence=evidence,
    )


async def kept(database: Database) -> list[Any]:
    async def read(connection: AsyncConnection) -> list[Any]:
        return list((await connection.execute(select(rows).order_by(rows.c.id))).mappings())

    return await database.run(read)


async def test_a_comparison_is_a_row_of_these_columns(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        mine = record(primary_prediction='{"label": "a"}', shadow_prediction='{"label": "b"}')
        await store.evidence.take(report(1, mine, record("match")), 9.0)
        first, second = await kept(store.comparisons.database)
    assert list(first) == COLUMNS
    assert list(first.values()) == [
        *(1, 5.0, "v1", "2.0.0", '{"label": "a"}', '{"label": "b"}', 4.0, 500.0, False, "mismatch_values")
    ]
    assert (second["match"], second["primary_prediction"], second["outcome"]) == (True, None, "match")


async def test_a_report_sent_again_counts_once(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        sent = report(1, record(), evidence=[copies("v2", match=3, mismatch=1)])
        await store.evidence.take(sent, 9.0)
        await store.evidence.take(sent, 10.0)
        await store.evidence.take(report(2, evidence=[copies("v2", match=3, mismatch=1)]), 11.0)
        (figures,) = await store.comparisons.figures("fraud")
        assert len(await kept(store.comparisons.database)) == 1
    assert (figures.matched, figures.mismatched) == (6, 2)
    assert figures.outcomes == {"match": 6, "mismatch": 2}


async def test_rows_are_bounded_for_each_outcome(tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(comparisons, "KEPT_ROWS", 5)
    async with opened(tmp_path) as store:
        await store.evidence.take(report(1, record("deadline")), 1.0)
        for sequence in range(2, 6):
            await store.evidence.take(report(sequence, *[record(reason=str(sequence))] * 3), 1.0)
        found = [row["outcome"] for row in await kept(store.comparisons.database)]
        newest = await store.comparisons.mismatches("fraud", 10)
        assert await store.comparisons.mismatches("spam", 10) == []
    assert found == ["deadline"] + ["mismatch_values"] * 5
    assert [each.reason for each in newest] == ["5", "5", "5", "4", "4"]


async def test_totals_are_bounded(tmp_path: pathlib.Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(comparisons, "KEPT_TOTALS", 2)
    async with opened(tmp_path) as store:
        for sequence, variant in enumerate(["v1", "v2", "v3"], start=1):
            await store.evidence.take(report(sequence, evidence=[copies(variant)]), float(sequence))
        figures = await store.comparisons.figures("fraud")
    assert [each.variant for each in figures] == ["v2", "v3"]
