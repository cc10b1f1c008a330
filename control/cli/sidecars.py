"""`understudy sidecars`: who runs what, and what they said of the newest snapshot."""

import time

import click
from understudy.v1 import services_pb2

from control.cli.connection import Client
from control.cli.output import Format, show, to_plain, with_client
from control.cli.render.services import render_sidecars


@click.command()
@click.option("--service", default="", help="Only those of this service.")
@with_client
def sidecars(client: Client, output: Format, service: str) -> None:
    """Show every sidecar, the snapshot it runs, and its ACK or NACK."""
    request = services_pb2.ListSidecarsRequest(service=service)
    found = client.ask(client.services.ListSidecars, request).sidecars
    show(output, lambda: [to_plain(each) for each in found], lambda: render_sidecars(found, time.time()))
