from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout.accumulation import Row, combine, entered, grown
from control.rollout.evidence import merge
from control.rollout.model import ArmEvidence, Observation, Plan
from control.times import to_duration
from tests.support.rollouts import copies, histogram, live, make_plan, seen

PLAN = make_plan()


@st.composite
def rows(draw: st.DrawFn) -> telemetry_pb2.Evidence:
    latencies = draw(st.lists(st.sampled_from([0.01, 0.05, 0.3, 2.0]), max_size=5))
    bounds = draw(st.sets(st.sampled_from([0.1, 0.2])))
    return telemetry_pb2.Evidence(
        codes=draw(st.dictionaries(st.sampled_from(["OK", "INTERNAL"]), st.integers(0, 9))),
        fallbacks=draw(st.integers(0, 3)),
        latency=histogram(latencies).to_proto(),
        slow=[
            telemetry_pb2.SlowCount(bound=to_duration(bound), count=sum(each > bound for each in latencies))
            for bound in sorted(bounds)
        ],
        mirror_outcomes=draw(st.dictionaries(st.sampled_from(["match", "mismatch"]), st.integers(0, 9))),
    )


def comparable(arm: ArmEvidence) -> tuple[object, ...]:
    """Sums of floats depend on their order by a hair."""
    return (
        {code: count for code, count in arm.codes.items() if count},
        arm.fallbacks,
        dict(arm.latency.buckets),
        arm.latency.zeros,
        round(arm.latency.sum, 9),
        dict(arm.slow),
        {outcome: count for outcome, count in arm.outcomes.items() if count},
    )


@given(st.lists(rows()), st.lists(rows()))
def test_adding_to_what_was_merged_is_merging_all(
    before: list[telemetry_pb2.Evidence], latest: list[telemetry_pb2.Evidence]
) -> None:
    grew = combine(merge(before), merge(latest))
    assert comparable(grew) == comparable(merge(before + latest))


def looked(before: Observation, *rows: Row, plan: Plan = PLAN, **fields: Any) -> Observation:
    given = {"since": (1, 3), "connected": 1, "acked": 1} | fields
    return grown(plan, before, rows, **given)


def seen_by(node: str = "pod-1", start: float = 0.0, arrival: int = 0, **fields: Any) -> Row:
    fields = {"route": "predict", "variant": "v2", "epoch": 1, "version": 3} | fields
    return Row(telemetry_pb2.Evidence(**fields), node, start, start + 1, arrival)


def test_who_has_the_snapshot_is_as_of_the_last_look() -> None:
    before = seen(live(10), live(5), copies(3), connected=1, acked=1)
    row = seen_by(variant="v1", codes={"OK": 1})
    after = looked(before, row, connected=3, acked=2, unconfirmed=("pod-3",), dead=("pod-1",))
    assert (after.connected, after.acked) == (3, 2)
    assert (after.unconfirmed, after.dead) == (("pod-3",), ("pod-1",))
    assert (after.stable.codes["OK"], after.candidate.codes["OK"], after.mirrored.matched) == (11, 5, 3)


def test_an_observation_is_of_the_stages_own_snapshot_and_arms() -> None:
    found = looked(
        Observation(),
        seen_by(variant="v1", codes={"OK": 1}, version=2),
        seen_by(variant="v1", codes={"OK": 10}, start=4.0, arrival=7),
        seen_by(variant="v1", codes={"OK": 100}, version=1, epoch=2, start=2.0),
        seen_by(variant="v1", codes={"OK": 1000}, route="testers"),
        seen_by(variant="v1", mirrored=True, mirror_outcomes={"match": 7}),
        seen_by(variant="v1", mirrored=True, noise=True, mirror_outcomes={"match": 9}),
        seen_by(codes={"OK": 5}),
        seen_by(mirrored=True, mirror_outcomes={"match": 6}),
        seen_by(variant="v3", codes={"OK": 9}),
    )
    assert (found.stable.codes, found.candidate.codes) == ({"OK": 110}, {"OK": 5})
    assert (found.mirrored.outcomes, found.noise.outcomes) == ({"match": 6}, {"match": 9})
    assert found.earlier == {"stable": 1}
    assert (found.span, found.arrival) == ((0.0, 5.0), 7)


def test_a_new_stage_begins_with_nothing_but_what_the_rollout_has_seen() -> None:
    readings = [
        telemetry_pb2.Reading(metric="load", value=3),
        telemetry_pb2.Reading(metric="load", error="gone"),
    ]
    before = looked(Observation(), seen_by(codes={"OK": 5}, arrival=4), seen_by(readings=readings))
    assert before.readings == {"load": (3, "gone")}
    after = entered(before)
    assert (after.candidate, after.readings, after.span) == (ArmEvidence(), {}, None)
    assert (after.earlier, after.arrival) == ({"candidate": 5}, 4)
    late = looked(after, seen_by(codes={"OK": 2}), seen_by(codes={"OK": 1}, version=4), since=(1, 4))
    assert (late.earlier, late.candidate.codes) == ({"candidate": 7}, {"OK": 1})


def test_a_candidate_that_is_not_warm_is_not_judged() -> None:
    plan = make_plan(warmup="10s", warmup_calls=100)
    rows = [
        seen_by(codes={"OK": 60}, start=100.0),
        seen_by(codes={"OK": 60}, start=112.0),
        seen_by(codes={"OK": 4}, start=115.0),
        seen_by("pod-2", codes={"OK": 2}, start=200.0),
        seen_by("pod-2", codes={"OK": 1}, start=209.9),
        seen_by("pod-2", codes={"OK": 8}, start=210.0),
        seen_by("pod-2", codes={"OK": 16}, start=3.0),
        seen_by("pod-2", mirrored=True, mirror_outcomes={"match": 32}, start=220.0),
        seen_by("pod-2", variant="v1", codes={"OK": 64}, start=201.0),
    ]
    found = looked(Observation(), *rows, plan=plan)
    assert found.candidate.codes == {"OK": 4 + 8 + 16}
    assert (found.mirrored.outcomes, found.stable.codes) == ({"match": 32}, {"OK": 64})
    again = Observation()
    for row in rows:
        again = looked(again, row, plan=plan)
    assert again == found


def test_labels_that_come_later_are_no_cold_calls() -> None:
    plan = make_plan(warmup="10s")
    labels = telemetry_pb2.OutcomeCounts(right=7, labelled=10)
    found = looked(Observation(), seen_by("outcomes", outcomes=labels, start=100.0), plan=plan)
    assert (found.candidate.right, found.candidate.labelled) == (7, 10)


def test_warming_goes_on_from_stage_to_stage() -> None:
    plan = make_plan(warmup_calls=10)
    before = entered(looked(Observation(), seen_by(codes={"OK": 8}), plan=plan))
    after = looked(before, seen_by(codes={"OK": 8}), seen_by(codes={"OK": 1}), plan=plan)
    assert after.candidate.codes == {"OK": 1}
