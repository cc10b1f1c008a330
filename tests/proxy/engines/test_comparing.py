"""What becomes of a comparison: counts, records, and the noise of a model that is asked twice."""

import grpc
from understudy.tickets import decode
from understudy.v1 import telemetry_pb2

from proxy.stats.records import Prediction, Record
from tests.support.callers import caller
from tests.support.models import Behaviour, answers, echo, fails, model
from tests.support.predictions import ours
from tests.support.sidecars import route, service, sidecar

OURS = "/understudy.v1.PredictionService/Predict"


async def compared(
    engine: str, primary: Behaviour, shadow: Behaviour, calls: int = 3, **mirror: object
) -> tuple[dict[str, int], dict[str, int], telemetry_pb2.Comparisons, list[Record]]:
    """Outcomes of the copies to v2 and v1, the shadow's counts, and every record."""
    copies = {"variant": "v2", "percent": 100, "deadline": "20s", **mirror}
    async with model(primary) as first, model(shadow) as second:
        targets = {"v1": first.address, "v2": second.address}
        what = service(targets, route(weights={"v1": 1}, mirrors=[copies]))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            for _ in range(calls):
                await call.unary(OURS)
            await one.until_mirrored()
            assert one.ledger.totals.mirror_seen.total() == calls
            window = one.ledger.take_window()
            arms = [*window.arms.items(), *window.noise.items()]
            arm = next(arm for key, arm in arms if key[2])
            counts = telemetry_pb2.Comparisons(matched=arm.matched, mismatched=arm.mismatched)
            return one.outcomes("v2"), one.outcomes("v1"), counts, window.records.kept


async def test_a_mismatch_has_a_record_without_values(engine: str) -> None:
    shadow = answers(ours(score=[0.75]))
    outcomes, _, counts, records = await compared(engine, answers(ours(score=[0.5])), shadow, calls=1)

    assert (outcomes, counts.mismatched) == ({"mismatch": 1}, 1)
    (record,) = records
    assert (record.outcome, record.output, record.max_absolute) == ("mismatch_values", "score", 0.25)
    assert (record.primary_version, record.shadow_version) == ("v1.0", "v2.0")
    assert record.primary_latency > 0 < record.shadow_latency
    assert record.primary_prediction == record.shadow_prediction == ""


async def test_values_are_recorded_where_the_route_says_so(engine: str) -> None:
    *_, records = await compared(
        engine,
        answers(ours(label=["cat"])),
        answers(ours(label=["dog"])),
        calls=1,
        compare={"record_values": True},
    )

    assert [(one.primary_prediction, one.shadow_prediction) for one in records] == [
        ('{"label": "cat"}', '{"label": "dog"}')
    ]


async def test_a_shadow_that_fails_is_an_error_and_a_mismatch(engine: str) -> None:
    outcomes, _, counts, records = await compared(engine, echo, fails(grpc.StatusCode.INTERNAL))

    assert (outcomes, counts.mismatched) == ({"error": 3}, 3)
    assert {(one.outcome, one.reason) for one in records} == {("error", "status OK against INTERNAL")}


async def test_both_failed_alike_is_a_match(engine: str) -> None:
    outcomes, _, counts, _ = await compared(
        engine, fails(grpc.StatusCode.INTERNAL), fails(grpc.StatusCode.INTERNAL)
    )

    assert (outcomes, counts.matched, counts.mismatched) == ({"match": 3}, 3, 0)


async def test_matches_are_sampled(engine: str) -> None:
    *_, none = await compared(engine, echo, echo, compare={"sample_percent": 0})
    *_, every = await compared(engine, echo, echo, compare={"sample_percent": 100})

    assert (none, [one.outcome for one in every]) == ([], ["match"] * 3)


async def test_predictions_are_kept_for_a_label_that_may_come_without_regard_to_whether_they_agree(
    engine: str,
) -> None:
    drawn = {"record_values": True, "sample_percent": 100}
    agree = await predictions(engine, "cat", "cat", drawn)
    differ = await predictions(engine, "cat", "dog", drawn)
    undrawn = await predictions(engine, "cat", "dog", {"record_values": True, "sample_percent": 0})

    told = [(one.primary_prediction, one.shadow_prediction) for one in (*agree, *differ)]
    assert told == [('{"label": "cat"}', '{"label": "cat"}'), ('{"label": "cat"}', '{"label": "dog"}')]
    assert undrawn == []


async def predictions(engine: str, primary: str, shadow: str, compare: dict[str, object]) -> list[Prediction]:
    """What is kept of one call, which its ticket finds again."""
    copies = {"variant": "v2", "percent": 100, "deadline": "20s", "compare": compare}
    async with model(answers(ours(label=[primary]))) as first, model(answers(ours(label=[shadow]))) as second:
        targets = {"v1": first.address, "v2": second.address}
        what = service(targets, route(weights={"v1": 1}, mirrors=[copies]))
        async with sidecar(engine, what) as one, caller(one.address) as call:
            ticket = decode((await call.unary(OURS)).value("x-understudy-ticket"))
            await one.until_mirrored()
            kept = one.ledger.take_window().predictions
    assert ticket is not None
    assert all((each.nonce, each.time_ms) == (ticket.nonce, ticket.time_ms) for each in kept)
    return kept


async def test_a_second_copy_of_the_primary_measures_its_noise(engine: str) -> None:
    shadowed, itself, counts, _ = await compared(engine, echo, echo, variant="", noise_of="stable")

    assert (shadowed, itself, counts.matched) == ({}, {"match": 3}, 3)
