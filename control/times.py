"""Seconds as protobuf times, and back."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

NANOS = 1_000_000_000


def to_timestamp(seconds: float) -> Timestamp:
    """A moment, from seconds since the Unix epoch."""
    whole, nanos = divmod(round(seconds * NANOS), NANOS)
    return Timestamp(seconds=whole, nanos=nanos)


def to_duration(seconds: float) -> Duration:
    """A length of time, zero or more."""
    whole, nanos = divmod(round(seconds * NANOS), NANOS)
    return Duration(seconds=whole, nanos=nanos)


def to_seconds(time: Timestamp | Duration) -> float:
    """Either, as seconds."""
    return time.seconds + time.nanos / NANOS
