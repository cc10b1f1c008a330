"""Ranges of numbers and durations."""

import math

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from understudy.checks.violation import Violation, join


def check_range(value: float, low: float, high: float, path: str) -> list[Violation]:
    """A finite number from `low` to `high`, both included."""
    if math.isfinite(value) and low <= value <= high:
        return []
    if not math.isfinite(value):
        return [Violation(path, f"must be a finite number, got {value}")]
    if math.isinf(high):
        return [Violation(path, f"must not be below {low:g}, got {value:g}")]
    return [Violation(path, f"must be from {low:g} to {high:g}, got {value:g}")]


def seconds(duration: Duration) -> float:
    """A duration message in seconds."""
    return duration.seconds + duration.nanos / 1e9


def check_positive_duration(message: Message, field: str, path: str) -> list[Violation]:
    """The message's duration `field` is above zero, where it is set at all."""
    if message.HasField(field) and seconds(getattr(message, field)) <= 0:
        got = f"{seconds(getattr(message, field)):g}s"
        return [Violation(join(path, field), f"must be longer than 0s, got {got}")]
    return []


def check_duration(message: Message, field: str, path: str) -> list[Violation]:
    """The message's duration `field` is not below zero, where it is set at all."""
    if message.HasField(field) and seconds(getattr(message, field)) < 0:
        got = f"{seconds(getattr(message, field)):g}s"
        return [Violation(join(path, field), f"must not be below 0s, got {got}")]
    return []
