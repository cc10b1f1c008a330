from hypothesis import given
from hypothesis import strategies as st
from understudy.v1 import telemetry_pb2

from control.rollout.accumulation import combine, grown
from control.rollout.evidence import merge
from control.rollout.model import ArmEvidence
from control.times import to_duration
from tests.support.rollouts import copies, histogram, live, seen


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


def test_who_has_the_snapshot_is_as_of_the_last_look() -> None:
    before = seen(live(10), live(5), copies(3), connected=1, acked=1)
    after = grown(before, seen(live(1), connected=3, acked=2, unconfirmed=("pod-3",)))
    assert (after.connected, after.acked, after.unconfirmed) == (3, 2, ("pod-3",))
    assert (after.stable.codes["OK"], after.candidate.codes["OK"], after.mirrored.matched) == (11, 5, 3)
