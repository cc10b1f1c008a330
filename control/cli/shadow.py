"""`understudy shadow report`: how often shadows agree with what callers were answered."""

import click
from understudy.v1 import services_pb2

from control.cli.connection import Client
from control.cli.output import Format, show, to_plain, with_client
from control.cli.render.shadows import render_shadows


@click.group()
def shadow() -> None:
    """Show what comparing shadows found."""


@shadow.command()
@click.argument("service")
@click.option(
    "--mismatches",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="At most this many recent mismatches.",
)
@with_client
def report(client: Client, output: Format, service: str, mismatches: int) -> None:
    """Show match rates per shadow version, the worst differences, and recent mismatches."""
    request = services_pb2.ShadowReportRequest(service=service, mismatches=mismatches)
    found = client.ask(client.services.ShadowReport, request)
    show(output, lambda: to_plain(found), lambda: render_shadows(service, found))
