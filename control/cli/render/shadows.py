"""What comparing shadows found, as lines."""

from google.protobuf.duration_pb2 import Duration
from understudy.v1 import services_pb2, telemetry_pb2

from control.cli.render import figures
from control.cli.render.text import INDENT, table
from control.times import to_seconds

NOT_AVAILABLE = "n/a"

_SHADOWS = ("ROUTE", "SHADOW", "VERSION", "COMPARED", "MATCH RATE", "WITHOUT NOISE", "MAX ABS", "MAX REL")
_MISMATCHES = ("TIME", "ROUTE", "PRIMARY", "SHADOW", "LATENCY", "OUTCOME", "OUTPUT", "WHAT")


def render_shadows(service: str, report: services_pb2.ShadowReportResponse) -> list[str]:
    """A row for each shadow version, then the newest mismatches."""
    if not report.shadows:
        return [f"{service}: match rate {NOT_AVAILABLE}: no call was copied to a shadow"]
    lines = table(_SHADOWS, [_shadow(each) for each in report.shadows])
    if report.mismatches:
        lines += ["", "recent mismatches"]
        lines += table(_MISMATCHES, [_mismatch(each) for each in report.mismatches], INDENT)
    return lines


def _shadow(each: services_pb2.ShadowFigures) -> tuple[str, ...]:
    compared = each.matched + each.mismatched
    without = each.HasField("match_rate_without_noise")
    return (
        each.route,
        each.variant + (" (itself)" if each.noise else ""),
        each.version or "-",
        str(compared),
        _rate(each.match_rate) if each.HasField("match_rate") else NOT_AVAILABLE,
        _rate(each.match_rate_without_noise) if without else "-",
        f"{each.max_absolute:.3g}" if compared else "-",
        f"{each.max_relative:.3g}" if compared else "-",
    )


def _rate(share: float) -> str:
    return f"{share:.2%}"


def _mismatch(record: telemetry_pb2.ComparisonRecord) -> tuple[str, ...]:
    what = record.reason
    if record.primary_prediction or record.shadow_prediction:
        what += f": {record.primary_prediction} against {record.shadow_prediction}"
    return (
        figures.moment(record.time),
        record.route,
        record.primary_version or record.primary,
        record.shadow_version or record.shadow,
        f"{_milliseconds(record.primary_latency)} / {_milliseconds(record.shadow_latency)}",
        record.outcome,
        record.output or "-",
        what,
    )


def _milliseconds(latency: Duration) -> str:
    return f"{to_seconds(latency) * 1000:.1f}ms"
