import pathlib

from understudy.v1 import telemetry_pb2

from control.store import evidence
from control.times import to_timestamp
from tests.support.fake_sidecar import live
from tests.support.stores import opened


def report(
    sequence: int, *entries: telemetry_pb2.Evidence, boot_id: str = "boot-1", kinds: tuple[str, ...] = ()
) -> telemetry_pb2.TelemetryReportRequest:
    return telemetry_pb2.TelemetryReportRequest(
        node="pod-1",
        boot_id=boot_id,
        sequence=sequence,
        service="fraud",
        window_start=to_timestamp(1),
        window_end=to_timestamp(2),
        evidence=entries,
        exemplars=[telemetry_pb2.Exemplar(kind=kind, trace_id=f"{sequence}") for kind in kinds],
    )


def under(epoch: int, version: int, **fields: object) -> telemetry_pb2.Evidence:
    entry = live("v1", **fields)
    entry.epoch, entry.version = epoch, version
    return entry


async def test_a_report_counts_once(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        assert await store.evidence.take(report(1, under(1, 1)), 10.0)
        assert not await store.evidence.take(report(1, under(1, 1)), 11.0)
        assert await store.evidence.take(report(1, under(1, 1), boot_id="boot-2"), 12.0)
        found = await store.evidence.since("fraud", "predict", first=(0, 0), after=0)
        assert [row.arrival for row in found] == [1, 2]


async def test_evidence_is_found_by_the_snapshot_it_was_decided_by(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        entries = [under(1, 9), under(2, 1), under(2, 3), under(2, 3, route="rest")]
        await store.evidence.take(report(1, *entries), 10.0)
        found = await store.evidence.since("fraud", "predict", first=(2, 1), after=0)
        assert [row.evidence for row in found] == entries[1:3]
        rest = await store.evidence.since("fraud", "predict", first=(2, 1), after=found[0].arrival)
        assert [row.evidence for row in rest] == entries[2:3]
        assert await store.evidence.since("spam", "predict", first=(0, 0), after=0) == []


async def test_exemplars_are_bounded(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        for sequence in range(1, evidence.KEPT_EXEMPLARS // 4 + 3):
            await store.evidence.take(report(sequence, kinds=("slow",) * 4), float(sequence))
        await store.evidence.take(report(999, kinds=("failed",)), 999.0)
        found = await store.evidence.exemplars("fraud", 0.0)
        assert [each.kind for each in found].count("slow") == evidence.KEPT_EXEMPLARS
        assert found[0].kind == "failed"
        assert {each.trace_id for each in found}.isdisjoint({"1", "2"})
        assert len(await store.evidence.exemplars("fraud", 5.0, until=5.0)) == 4
