"""A window of the ledger as the message that the control service takes."""

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from understudy.v1 import telemetry_pb2

from proxy.engines.engine import Liveness
from proxy.stats.arms import Arm, ArmKey, Counts, Window
from proxy.stats.exemplars import Exemplar
from proxy.stats.histogram import SCALE, Histogram
from proxy.stats.records import Prediction, Record


def build_report(
    window: Window,
    liveness: Mapping[str, Liveness],
    *,
    node: str,
    boot_id: str,
    sequence: int,
    service: str,
    start: float,
    end: float,
) -> telemetry_pb2.TelemetryReportRequest:
    """The report of what was seen from `start` to `end` (seconds since 1970)."""
    at = _timestamp(end)
    return telemetry_pb2.TelemetryReportRequest(
        node=node,
        boot_id=boot_id,
        sequence=sequence,
        service=service,
        window_start=_timestamp(start),
        window_end=at,
        evidence=[
            *(_evidence(key, arm) for key, arm in window.arms.items()),
            *(_evidence(key, arm, noise=True) for key, arm in window.noise.items()),
        ],
        exemplars=[_exemplar(one, at) for one in window.exemplars.all()],
        variants=[
            telemetry_pb2.VariantHealth(variant=name, live=one.live is True, reason=one.reason)
            for name, one in liveness.items()
        ],
        comparisons=[record_message(one) for one in window.records.kept],
        predictions=[_prediction(one) for one in window.predictions],
    )


def record_message(record: Record) -> telemetry_pb2.ComparisonRecord:
    """One comparison as reports and the admin port tell it."""
    return telemetry_pb2.ComparisonRecord(
        time=_timestamp(record.time),
        route=record.route,
        primary=record.primary,
        shadow=record.shadow,
        primary_version=record.primary_version,
        shadow_version=record.shadow_version,
        primary_prediction=record.primary_prediction,
        shadow_prediction=record.shadow_prediction,
        primary_latency=_duration(record.primary_latency),
        shadow_latency=_duration(record.shadow_latency),
        match=record.matches,
        outcome=record.outcome,
        output=record.output,
        reason=record.reason,
        max_absolute=record.max_absolute,
        max_relative=record.max_relative,
        noise=record.noise,
        trace_id=record.trace_id,
    )


def _prediction(one: Prediction) -> telemetry_pb2.RecordedPrediction:
    epoch, version = one.at
    return telemetry_pb2.RecordedPrediction(
        nonce=one.nonce,
        time_ms=one.time_ms,
        route=one.route,
        primary=one.primary,
        shadow=one.shadow,
        primary_version=one.primary_version,
        shadow_version=one.shadow_version,
        epoch=epoch,
        version=version,
        primary_prediction=one.primary_prediction,
        shadow_prediction=one.shadow_prediction,
        bucket=one.bucket,
    )


def _evidence(key: ArmKey, arm: Arm, *, noise: bool = False) -> telemetry_pb2.Evidence:
    route, variant, mirrored, epoch, version = key
    evidence = telemetry_pb2.Evidence(
        route=route,
        variant=variant,
        mirrored=mirrored,
        epoch=epoch,
        version=version,
        codes=arm.codes,
        fallbacks=arm.fallbacks,
        latency=_histogram(arm.latency),
        slow=_slow(arm),
        mirror_outcomes=arm.outcomes,
        noise=noise,
        label=arm.label,
        drawn=arm.drawn,
        keys=arm.keys,
        buckets=[
            telemetry_pb2.BucketCounts(
                bucket=bucket,
                codes=counts.codes,
                fallbacks=counts.fallbacks,
                slow=_slow(counts),
                mirror_outcomes=counts.outcomes,
            )
            for bucket, counts in sorted(arm.buckets.items())
        ],
    )
    if mirrored:
        evidence.comparisons.CopyFrom(
            telemetry_pb2.Comparisons(
                matched=arm.matched,
                mismatched=arm.mismatched,
                max_absolute=arm.max_absolute,
                max_relative=arm.max_relative,
            )
        )
    return evidence


def _slow(counts: Counts) -> list[telemetry_pb2.SlowCount]:
    return [
        telemetry_pb2.SlowCount(bound=_duration(bound), count=counts.slow[bound], beside=counts.beside[bound])
        for bound in sorted(counts.slow.keys() | counts.beside.keys())
    ]


def _histogram(histogram: Histogram) -> telemetry_pb2.Histogram:
    offset, counts = histogram.trimmed()
    return telemetry_pb2.Histogram(
        scale=SCALE,
        offset=offset,
        bucket_counts=counts,
        zero_count=histogram.zero_count,
        count=histogram.count,
        sum=histogram.sum,
    )


def _exemplar(one: Exemplar, at: Timestamp) -> telemetry_pb2.Exemplar:
    return telemetry_pb2.Exemplar(
        trace_id=one.trace_id,
        route=one.route,
        variant=one.variant,
        mirrored=one.mirrored,
        kind=one.kind,
        code=one.code,
        latency=_duration(one.latency),
        time=at,
    )


def _timestamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(int(seconds * 1e9))
    return stamp


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
