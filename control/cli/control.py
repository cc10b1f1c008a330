"""`understudy control`: run the control service, from a file, from flags, or from both."""

import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import click
import uvloop
from understudy.checks import Violation
from understudy.checks.control import check_control
from understudy.loading import Document, InvalidFile, load_document, parse_duration
from understudy.loading.units import parse_percent
from understudy.serving.logs import configure_logging
from understudy.serving.ticket_secrets import ticket_secrets
from understudy.v1 import control_pb2, services_pb2

from control.cli.connection import Client
from control.cli.output import Format, show, to_plain, with_client
from control.process import Config, serve
from control.times import to_duration

LEVELS = ("debug", "info", "warning", "error")


@click.group(invoke_without_command=True)
@click.option(
    "--config", type=click.Path(path_type=pathlib.Path), help="A file with `kind: Control`; flags go over it."
)
@click.option("--listen", metavar="HOST:PORT", help="gRPC port.  [default: 127.0.0.1:7080]")
@click.option("--http", metavar="HOST:PORT", help="HTTP port with the dashboard.  [default: 127.0.0.1:7081]")
@click.option("--store", metavar="URL", help="Where everything is kept.  [default: sqlite:///understudy.db]")
@click.option(
    "--min-acked",
    metavar="SHARE",
    help="Share of connected sidecars that a stage waits for.  [default: 1]",
)
@click.option("--ack-timeout", metavar="DURATION", help="How long a stage waits for them.  [default: 60s]")
@click.option("--notify", metavar="URL", multiple=True, help="A webhook for every rollout's events.")
@click.option("--trace-url", metavar="URL", help="A trace viewer, with {trace_id} in it.")
@click.option("--outcome-horizon", metavar="DURATION", help="How late an outcome may be.  [default: 168h]")
@click.option(
    "--ticket-secret-file", metavar="FILE", help="The secrets that tickets must be signed with, one a line."
)
@click.option(
    "--keep-evidence", metavar="DURATION", help="How long after its rollout's end.  [default: 168h]"
)
@click.option("--keep-audit", metavar="DURATION", help="How long after a rollout's end.  [default: 8760h]")
@click.option("--keep-sidecars", metavar="DURATION", help="How long those gone are listed.  [default: 24h]")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.pass_context
def control(context: click.Context, /, config: pathlib.Path | None, log_level: str, **flags: Any) -> None:
    """Run the control service: keeps services and rollouts, serves sidecars, the API and the page."""
    if context.invoked_subcommand is not None:
        return
    message = load_control(config, {name: value for name, value in flags.items() if value})
    secrets = ticket_secrets(message.ticket_secret_file, os.environ)
    configure_logging(log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    uvloop.run(serve(Config.from_proto(message, secrets)))


@control.command()
@with_client
def adopt(client: Client, output: Format) -> None:
    """Let a running control service lead a fleet that is newer than its store, by what it has stored."""
    answer = client.ask(client.services.Adopt, services_pb2.AdoptRequest())
    show(output, lambda: to_plain(answer), lambda: [f"leads at epoch {answer.epoch}"])


def load_control(path: pathlib.Path | None, flags: Mapping[str, Any]) -> control_pb2.Control:
    """The file's message with the flags over it, checked; InvalidFile names the line or the flag."""
    document = load_document(path, "Control") if path else None
    message: control_pb2.Control = document.message if document else control_pb2.Control()
    for name, value in flags.items():
        _set(message, name, value)
    if violations := check_control(message):
        raise InvalidFile(
            [_file_line(document if _root(found.field) not in flags else None, found) for found in violations]
        )
    return message


def _set(message: control_pb2.Control, name: str, value: Any) -> None:
    try:
        match name:
            case "min_acked":
                setattr(message, name, _ratio(value))
            case "ack_timeout" | "outcome_horizon" | "keep_evidence" | "keep_audit" | "keep_sidecars":
                getattr(message, name).CopyFrom(to_duration(parse_duration(value)))
            case "notify":
                message.notify.extend(control_pb2.Notify(url=url) for url in value)
            case _:
                setattr(message, name, value)
    except ValueError as error:
        raise InvalidFile([_flag_line(name, str(error))]) from None


def _ratio(text: str) -> float:
    if text.endswith("%"):
        return parse_percent(text) / 100
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"must be a share such as 0.9 or 90%, got {text!r}") from None


def _root(field: str) -> str:
    return field.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]


def _flag_line(field: str, description: str) -> str:
    return f"--{_root(field).replace('_', '-')}: {description}"


def _file_line(document: Document | None, found: Violation) -> str:
    return document.problems([found])[0] if document else _flag_line(found.field, found.description)
