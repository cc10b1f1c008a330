"""Numbers with their units, as people read them."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from understudy.checks.numbers import seconds

NOT_MEASURED = "n/a"
_RATES = ("error_rate", "match_rate", "accuracy")


def percent(value: float) -> str:
    """A share of 0 to 100 in percent; never rounded to all or nothing."""
    if 99.99 < value < 100:
        return ">99.99%"
    if 0 < value < 0.01:
        return "<0.01%"
    return f"{value:.2f}".rstrip("0").rstrip(".") + "%"


def ratio(value: float) -> str:
    """A share of 0 to 1 in percent."""
    return percent(value * 100)


def latency(value: float) -> str:
    """Seconds, with three digits that matter."""
    if value <= 0:
        return "0ms"
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= size * 0.9995 or unit == "us":
            scaled = value / size
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
            text = f"{scaled:.{digits}f}"
            return (text.rstrip("0").rstrip(".") if "." in text else text) + unit
    raise AssertionError(value)


def latency_of(message: Message, field: str) -> str:
    """A message's latency `field`, which is absent where nothing was measured."""
    return latency(seconds(getattr(message, field))) if message.HasField(field) else NOT_MEASURED


def per_second(value: float) -> str:
    """Calls per second."""
    digits = 0 if value >= 100 or value == 0 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}/s"


def clock(value: float) -> str:
    """Seconds as a clock's reading: `45s`, `12m 05s`, `1h 02m`, `3d 04h`."""
    whole = int(max(value, 0.0))
    if whole < 60:
        return f"{whole}s" if value >= 1 or value <= 0 else latency(value)
    if whole < 3600:
        return f"{whole // 60}m" + (f" {whole % 60:02}s" if whole % 60 else "")
    if whole < 86400:
        return f"{whole // 3600}h" + (f" {whole % 3600 // 60:02}m" if whole % 3600 >= 60 else "")
    return f"{whole // 86400}d" + (f" {whole % 86400 // 3600:02}h" if whole % 86400 >= 3600 else "")


def setting(value: Duration) -> str:
    """A duration that was set, as a clock's reading; a dash where there is none."""
    return clock(seconds(value)) if seconds(value) > 0 else "-"


def moment(value: Timestamp) -> str:
    """A time of day to the second, in UTC; a dash where there is none."""
    if not (value.seconds or value.nanos):
        return "-"
    return value.ToDatetime().strftime("%Y-%m-%d %H:%M:%SZ")


def age(value: Timestamp, now: float) -> str:
    """How long ago; a dash where it never was."""
    if not (value.seconds or value.nanos):
        return "-"
    return f"{clock(float(int(max(now - value.seconds, 0.0))))} ago"


def snapshot(epoch: int, version: int) -> str:
    """A snapshot's place in the order of all; a dash where there is none."""
    return f"{epoch}.{version}" if epoch or version else "-"


def measure(sentence: str, value: float) -> str:
    """A value in the unit of the sentence's metric."""
    if sentence.startswith("latency"):
        return latency(value)
    return ratio(value) if sentence.startswith(_RATES) else f"{value:g}"
