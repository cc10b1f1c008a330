"""`understudy service`: apply and show services."""

import pathlib
import time

import click
from understudy.checks.service import check_service
from understudy.loading import InvalidFile, load_document
from understudy.v1 import services_pb2

from control.cli.connection import Client
from control.cli.output import Format, show, to_plain, with_client
from control.cli.render.services import render_service, render_services


@click.group()
def service() -> None:
    """Apply and show services."""


@service.command()
@click.option("-f", "--file", "path", required=True, type=click.Path(path_type=pathlib.Path), metavar="FILE")
@click.option("--abort", is_flag=True, help="Abort the service's active rollout first.")
@with_client
def apply(client: Client, output: Format, path: pathlib.Path, *, abort: bool) -> None:
    """Create or replace the service in FILE (kind: Service)."""
    document = load_document(path, "Service")
    if violations := check_service(document.message):
        raise InvalidFile(document.problems(violations))
    request = services_pb2.ApplyRequest(service=document.message, abort_rollout=abort)
    status = client.ask(client.services.Apply, request, document).service
    show(output, lambda: to_plain(status), lambda: render_service(status, time.time()))


@service.command()
@click.argument("name")
@with_client
def get(client: Client, output: Format, name: str) -> None:
    """Show the service NAME as it is in force now."""
    status = client.ask(client.services.Get, services_pb2.ServicesGetRequest(name=name)).service
    show(output, lambda: to_plain(status), lambda: render_service(status, time.time()))


@service.command(name="list")
@with_client
def list_services(client: Client, output: Format) -> None:
    """Show every service."""
    statuses = client.ask(client.services.List, services_pb2.ServicesListRequest()).services
    show(
        output, lambda: [to_plain(each) for each in statuses], lambda: render_services(statuses, time.time())
    )
