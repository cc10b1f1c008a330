"""`understudy outcome`: report what became known of past predictions, and show what that says."""

import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import click
from understudy.loading import InvalidFile
from understudy.v1 import outcomes_pb2

from control.cli.connection import Client
from control.cli.outcome_lines import BadLine, Numbered, build_outcome, from_csv, from_json_lines
from control.cli.output import Format, show, to_plain, with_client
from control.cli.render.outcomes import render_report, render_summary

AT_ONCE = 2_000
"""Outcomes in one call."""


@click.group()
def outcome() -> None:
    """Report what became known of past predictions."""


@outcome.command()
@click.argument("ticket", required=False)
@click.option("--correct/--wrong", "correct", default=None, help="Whether the prediction was right.")
@click.option("--score", type=float, help="How good it was.")
@click.option("--label", help="What would have been right.")
@click.option("--predicted", help="With --label: what was predicted.  [default: what the sidecar recorded]")
@click.option("--output-name", "name", help="With --label: the output it is the value of.")
@click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(path_type=pathlib.Path, allow_dash=True),
    help="Outcomes as JSON lines, or with .csv as comma-separated values; - reads standard input.",
)
@click.option("--csv", "is_csv", is_flag=True, help="The file, or standard input, is comma-separated values.")
@with_client
def report(
    client: Client,
    output: Format,
    ticket: str | None,
    path: pathlib.Path | None,
    *,
    is_csv: bool,
    **said: Any,
) -> None:
    """Report one outcome of the call with this TICKET (its answer's x-understudy-ticket), or those of a file.

    Each counts once, however often it is reported. Exits 1 if one was refused.
    """
    if (ticket is None) == (path is None):
        raise click.UsageError("give a TICKET, or outcomes with --file")
    if path is None:
        outcomes, where = [_single(ticket, said)], ["TICKET"]
    else:
        outcomes, where = _from_file(path, is_csv=is_csv or path.suffix == ".csv")
    answer = _send(client, outcomes)
    show(output, lambda: to_plain(answer), lambda: render_report(answer, where))
    if answer.rejected:
        raise click.exceptions.Exit(1)


@outcome.command(name="show")
@click.argument("service")
@with_client
def show_outcomes(client: Client, output: Format, service: str) -> None:
    """Show how right the versions of a service's variants were."""
    request = outcomes_pb2.OutcomesSummaryRequest(service=service)
    answer = client.ask(client.outcomes.Summary, request)
    show(output, lambda: to_plain(answer), lambda: render_summary(service, answer))


def _single(ticket: str | None, said: dict[str, Any]) -> outcomes_pb2.Outcome:
    fields = {name: value for name, value in said.items() if value is not None}
    if "name" in fields:
        fields["output"] = fields.pop("name")
    try:
        return build_outcome({"ticket": ticket, **fields})
    except BadLine as problem:
        raise click.UsageError(f"{problem} (--correct or --wrong, --score, --label)") from None


def _from_file(path: pathlib.Path, *, is_csv: bool) -> tuple[list[outcomes_pb2.Outcome], list[str]]:
    """Every outcome with its line; InvalidFile with every line that is none."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidFile([f"{name}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise InvalidFile([f"{name}: must be text in UTF-8"]) from None
    read = from_csv if is_csv else from_json_lines
    found: Sequence[Numbered] = list(read(text.splitlines()))
    problems = [f"{name}:{number}: {one}" for number, one in found if isinstance(one, BadLine)]
    if problems:
        raise InvalidFile(problems)
    outcomes = [one for _, one in found if not isinstance(one, BadLine)]
    return outcomes, [f"{name}:{number}" for number, _ in found]


def _send(client: Client, outcomes: Sequence[outcomes_pb2.Outcome]) -> outcomes_pb2.OutcomesReportResponse:
    """Report all of them; the answers as one."""
    whole = outcomes_pb2.OutcomesReportResponse()
    for start in range(0, len(outcomes), AT_ONCE):
        request = outcomes_pb2.OutcomesReportRequest(outcomes=outcomes[start : start + AT_ONCE])
        answer = client.ask(client.outcomes.Report, request)
        for name in ("accepted", "duplicates", "rejected", "unmatched"):
            setattr(whole, name, getattr(whole, name) + getattr(answer, name))
        for refusal in answer.refusals:
            refusal.index += start
            whole.refusals.append(refusal)
    return whole
