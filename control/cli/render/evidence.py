"""What decisions rest on, as lines: criteria, arms, and calls worth looking at."""

from collections.abc import Sequence

from understudy.v1 import rollouts_pb2, telemetry_pb2

from control.cli.render import figures
from control.cli.render.text import INDENT, table


def criteria_table(criteria: Sequence[rollouts_pb2.CriterionStatus]) -> list[str]:
    """What the evidence says of each sentence."""
    rows = [
        (
            each.require,
            each.verdict or "inconclusive",
            figures.measure(each.require, each.value) if each.HasField("value") else figures.NOT_MEASURED,
            figures.measure(each.require, each.bound) if each.HasField("bound") else figures.NOT_MEASURED,
            each.detail,
        )
        for each in criteria
    ]
    return table(("CRITERION", "VERDICT", "VALUE", "BOUND", "JUDGED ON"), rows) if rows else []


def tests_table(criteria: Sequence[rollouts_pb2.CriterionStatus]) -> list[str]:
    """What each criterion was counted on, and how far its test is from a decision."""
    rows = [
        (each.require, each.method, _counted(each), _reached(each.to_fail), _reached(each.to_pass))
        for each in criteria
        if each.method
    ]
    return table(("CRITERION", "BY", "BAD OF ALL", "TO FAIL", "TO PASS"), rows) if rows else []


def _counted(criterion: rollouts_pb2.CriterionStatus) -> str:
    return ", ".join(
        f"{each.arm} {each.bad} of {each.n}" if each.HasField("bad") else f"{each.arm} {each.n}"
        for each in criterion.counts
    )


def _reached(test: rollouts_pb2.TestValue) -> str:
    return f"{test.value:.3g} of {test.limit:.3g}" if test.limit else "-"


def arms_table(arms: Sequence[rollouts_pb2.ArmFigures]) -> list[str]:
    """What was seen of each arm."""
    rows = [
        (
            f"{arm.variant} (copies)" if arm.mirrored else arm.variant,
            str(arm.calls),
            "-" if arm.mirrored else figures.ratio(arm.share) if arm.calls else figures.NOT_MEASURED,
            f"{arm.errors} ({figures.ratio(arm.errors / arm.calls)})" if arm.calls else figures.NOT_MEASURED,
            figures.latency_of(arm, "latency_p50"),
            figures.latency_of(arm, "latency_p99"),
            _matched(arm) if arm.mirrored else "-",
        )
        for arm in arms
    ]
    return table(("ARM", "CALLS", "SHARE", "ERRORS", "P50", "P99", "MATCHED"), rows) if rows else []


def traces(status: rollouts_pb2.RolloutStatus) -> list[str]:
    """The slowest, the failed and the mismatched calls."""
    if not status.exemplars:
        return []
    rows = [
        (
            each.kind,
            f"{each.variant} (copy)" if each.mirrored else each.variant,
            each.code or "-",
            figures.latency_of(each, "latency"),
            trace(each, status.trace_url),
        )
        for each in status.exemplars
    ]
    header = ("WHY", "VARIANT", "CODE", "LATENCY", "TRACE")
    return ["", "calls worth looking at", *table(header, rows, INDENT)]


def trace(exemplar: telemetry_pb2.Exemplar, trace_url: str) -> str:
    """A trace's link where a viewer is known, else its bare id."""
    if not exemplar.trace_id:
        return "not traced"
    return trace_url.replace("{trace_id}", exemplar.trace_id) if trace_url else exemplar.trace_id


def _matched(arm: rollouts_pb2.ArmFigures) -> str:
    compared = arm.matched + arm.mismatched
    if not compared:
        return figures.NOT_MEASURED
    return f"{arm.matched} of {compared} ({figures.ratio(arm.matched / compared)})"
