"""What became of reported outcomes, and what they say, as lines."""

from collections.abc import Sequence

from understudy.v1 import outcomes_pb2

from control.cli.render.text import table

SHOWN = 20
_COLUMNS = ("ROUTE", "VARIANT", "VERSION", "LABELS", "ACCURACY", "SCORES", "MEAN SCORE")


def render_report(
    answer: outcomes_pb2.OutcomesReportResponse, where: Sequence[str], shown: int = SHOWN
) -> list[str]:
    """One line of counts, then why some were refused; `where` says for each where it came from."""
    counts = f"{answer.accepted} counted, {answer.duplicates} known already, {answer.rejected} refused"
    lines = [counts]
    if answer.unmatched:
        lines.append(f"{answer.unmatched} labels wait for what was predicted")
    lines += [f"{where[each.index]}: {each.reason}: {each.description}" for each in answer.refusals[:shown]]
    if answer.rejected > shown:
        lines.append(f"and {answer.rejected - shown} more")
    return lines


def render_summary(service: str, answer: outcomes_pb2.OutcomesSummaryResponse) -> list[str]:
    """A row for each version of each variant."""
    if not answer.figures:
        return [f"{service}: no outcome was reported"]
    return table(_COLUMNS, [_row(each) for each in answer.figures])


def _row(each: outcomes_pb2.OutcomeFigures) -> tuple[str, ...]:
    return (
        each.route or "-",
        each.variant + (" (copies)" if each.mirrored else ""),
        each.version or "-",
        str(each.labelled),
        f"{each.accuracy:.2%}" if each.HasField("accuracy") else "-",
        str(each.scored),
        f"{each.score_mean:.4g}" if each.HasField("score_mean") else "-",
    )
