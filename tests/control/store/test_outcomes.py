import pathlib
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.tickets import Ticket
from understudy.v1 import outcomes_pb2, telemetry_pb2

from control.outcomes.intake import Kind, Known
from control.store import outcome_limits
from control.store.outcomes import Taken
from control.store.store import Store
from tests.support.stores import opened

NOW = 1_790_000_000.0
HORIZON = 3600.0


def ticket(call: int, variant: str = "v1", version: int = 7, bucket: int | None = None) -> Ticket:
    return Ticket(
        "fraud", "all", variant, f"{variant}.0", 3, version, int(NOW * 1000), f"call-{call}", bucket
    )


def verdict(call: int, *, correct: bool, variant: str = "v1", **where: Any) -> Known:
    return Known(ticket(call, variant, **where), Kind.VERDICT, correct=correct)


def label(call: int, text: str, predicted: str | None = None) -> Known:
    return Known(ticket(call), Kind.VERDICT, label=text, predicted=predicted)


def report(sequence: int, *predicted: tuple[int, str, str, str]) -> telemetry_pb2.TelemetryReportRequest:
    """What v1 and a shadow predicted, by call."""
    return telemetry_pb2.TelemetryReportRequest(
        node="pod-1",
        boot_id="boot-1",
        sequence=sequence,
        service="fraud",
        predictions=[
            telemetry_pb2.RecordedPrediction(
                nonce=f"call-{call}",
                time_ms=int(NOW * 1000),
                route="all",
                primary="v1",
                shadow=shadow,
                primary_version="v1.0",
                shadow_version=f"{shadow}.0",
                epoch=3,
                version=7,
                primary_prediction=f'{{"label": "{primary}"}}',
                shadow_prediction=f'{{"label": "{theirs}"}}',
            )
            for call, primary, shadow, theirs in predicted
        ],
    )


async def take(store: Store, *known: Known) -> Taken:
    return await store.outcomes.take(known, NOW, HORIZON)


async def test_of_too_many_the_oldest_are_forgotten_and_never_count_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome_limits, "KEPT_OUTCOMES", 100)
    known = [
        Known(ticket(call)._replace(time_ms=int(NOW * 1000) + call), Kind.VERDICT, correct=True)
        for call in range(150)
    ]
    async with opened(tmp_path) as store:
        for start in range(0, 150, 30):
            await take(store, *known[start : start + 30])
    async with opened(tmp_path) as store:
        again = await take(store, *known)
        found = await counts(store)
    assert again == Taken(0, 100, 0, forgotten=tuple(range(50)))
    assert found == {("v1", False): (150, 150)}


async def counts(store: Store) -> dict[tuple[str, bool], tuple[int, int]]:
    """Right and labelled, by variant and mirrored; the evidence says the same as the totals."""
    totals = {
        (each.variant, each.mirrored): (each.right, each.labelled)
        for each in await store.outcomes.figures("fraud")
    }
    right: Counter[tuple[str, bool]] = Counter()
    labelled: Counter[tuple[str, bool]] = Counter()
    for row in await store.evidence.since("fraud", "all", first=(0, 0), after=0):
        key = row.evidence.variant, row.evidence.mirrored
        right[key] += row.evidence.outcomes.right
        labelled[key] += row.evidence.outcomes.labelled
    assert {key: (right[key], labelled[key]) for key in labelled} == totals
    return totals


async def test_an_outcome_counts_for_the_variant_that_served_the_call_once(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        first = await take(store, verdict(1, correct=True), verdict(2, correct=False, variant="v2"))
        again = await take(store, verdict(2, correct=False, variant="v2"), verdict(1, correct=False))
        found = await counts(store)
    assert (first, again) == (Taken(2, 0, 0), Taken(0, 2, 0))
    assert found == {("v1", False): (1, 1), ("v2", False): (0, 1)}


async def test_twice_in_one_batch_counts_once_and_a_score_beside_a_label_counts_too(
    tmp_path: pathlib.Path,
) -> None:
    async with opened(tmp_path) as store:
        score = Known(ticket(1), Kind.SCORE, score=0.25)
        taken = await take(store, verdict(1, correct=True), verdict(1, correct=True), score, score)
        (figures,) = await store.outcomes.figures("fraud")
    assert taken == Taken(2, 2, 0)
    assert figures == outcomes_pb2.OutcomeFigures(
        route="all",
        variant="v1",
        version="v1.0",
        right=1,
        labelled=1,
        accuracy=1.0,
        scored=1,
        score_mean=0.25,
    )


async def test_a_label_is_held_against_what_the_caller_was_answered(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        taken = await take(store, label(1, "cat", "cat"), label(2, "cat", "dog"), label(3, "cat"))
        found = await counts(store)
    assert taken == Taken(3, 0, 1)
    assert found == {("v1", False): (1, 2)}


async def test_a_shadow_is_scored_whichever_comes_first(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await take(store, label(1, "cat"), label(2, "cat", "dog"))
        before = await counts(store)
        await store.evidence.take(report(1, (1, "dog", "v2", "cat"), (2, "cat", "v2", "dog")), NOW)
        await store.evidence.take(report(2, (3, "cat", "v2", "cat"), (3, "cat", "v3", "dog")), NOW)
        late = await take(store, label(3, "cat"))
        await store.evidence.take(report(3, (3, "cat", "v2", "cat")), NOW)
        after = await counts(store)
    assert before == {("v1", False): (0, 1)}
    assert late == Taken(1, 0, 0)
    assert after == {("v1", False): (1, 3), ("v2", True): (2, 3), ("v3", True): (0, 1)}


async def test_what_is_past_the_horizon_is_forgotten(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await store.evidence.take(report(1, (1, "cat", "v2", "cat")), NOW)
        await take(store, verdict(2, correct=True))
        await store.outcomes.take([], NOW + HORIZON + 1, HORIZON)
        again = await take(store, verdict(2, correct=True), label(1, "cat"))
    assert again == Taken(2, 0, 1)


async def test_evidence_has_the_snapshot_and_the_users_buckets(tmp_path: pathlib.Path) -> None:
    async with opened(tmp_path) as store:
        await take(
            store,
            verdict(1, correct=True, bucket=5),
            verdict(2, correct=False, bucket=5),
            verdict(3, correct=True, bucket=9),
            verdict(4, correct=True),
            verdict(5, correct=True, version=8),
        )
        rows = await store.evidence.since("fraud", "all", first=(3, 8), after=0)
        whole = await store.evidence.since("fraud", "all", first=(3, 7), after=0)
    assert [row.evidence.outcomes.labelled for row in rows] == [1]
    first = next(row.evidence for row in whole if row.evidence.version == 7)
    assert (first.outcomes.right, first.outcomes.labelled) == (3, 4)
    buckets = {each.bucket: (each.outcomes.right, each.outcomes.labelled) for each in first.buckets}
    assert buckets == {5: (1, 2), 9: (1, 1)}


CALLS = st.lists(st.tuples(st.sampled_from(["v1", "v2"]), st.booleans()), min_size=1, max_size=30)


@settings(max_examples=30)
@given(CALLS, st.integers(0, 2**32))
async def test_accuracy_equals_an_oracles_whatever_the_order_and_however_often(
    tmp_path_factory: Any, calls: list[tuple[str, bool]], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    known = [verdict(call, correct=right, variant=who) for call, (who, right) in enumerate(calls)]
    sent = known + chance.choices(known, k=len(known))
    chance.shuffle(sent)
    async with opened(tmp_path_factory.mktemp("store")) as store:
        for start in range(0, len(sent), 7):
            await take(store, *sent[start : start + 7])
        found = {each.variant: each.accuracy for each in await store.outcomes.figures("fraud")}
    truth = {who: [right for name, right in calls if name == who] for who, _ in calls}
    assert found == {who: sum(results) / len(results) for who, results in truth.items()}
