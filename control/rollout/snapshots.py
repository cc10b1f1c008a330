"""The snapshot that sidecars get: a service in force, under the number it is pushed by."""

from google.protobuf.timestamp_pb2 import Timestamp
from understudy.v1 import discovery_pb2, service_pb2

from control.rollout.criteria import Absolute, Metric
from control.rollout.evidence import to_duration
from control.rollout.model import Plan


def build_snapshot(
    service: service_pb2.Service,
    *,
    epoch: int,
    version: int,
    built_at: float,
    rollout: str = "",
    bounds: tuple[float, ...] = (),
) -> discovery_pb2.Snapshot:
    """`built_at` in seconds since 1970; `bounds` as `latency_bounds` gives them."""
    nanos = round(built_at * 1e9)
    return discovery_pb2.Snapshot(
        epoch=epoch,
        version=version,
        service=service,
        rollout=rollout,
        latency_bounds=[to_duration(bound) for bound in bounds],
        built_at=Timestamp(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000),
    )


def latency_bounds(plan: Plan) -> tuple[float, ...]:
    """The latencies, in seconds, that the plan's criteria name; sidecars count exactly what is slower."""
    bounds = {
        criterion.bound.value
        for stage in plan.stages
        for criterion in stage.criteria
        if criterion.metric is Metric.LATENCY and isinstance(criterion.bound, Absolute)
    }
    return tuple(sorted(bounds))
