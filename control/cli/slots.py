"""`understudy deploy | switch | rollback`: blue/green, in the words of its users."""

import click
from understudy.checks.names import check_name
from understudy.checks.targets import check_target
from understudy.loading.units import parse_percent
from understudy.v1 import service_pb2, services_pb2

from control.cli.connection import Client
from control.cli.output import Format, show, to_plain, with_client
from control.cli.render import figures
from control.cli.render.services import render_slots


def _percent(context: click.Context, parameter: click.Parameter, value: str) -> float:
    """0 to 100, with or without `%`."""
    try:
        number = parse_percent(value if value.endswith("%") else f"{value}%")
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise click.BadParameter(f"must be from 0 to 100, got {value!r}", ctx=context, param=parameter)
    return number


def _name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    for violation in check_name(value, "") if value is not None else ():
        raise click.BadParameter(str(violation), ctx=context, param=parameter)
    return value


def _target(context: click.Context, parameter: click.Parameter, value: str) -> str:
    for violation in check_target(value, "") if value else ():
        raise click.BadParameter(str(violation), ctx=context, param=parameter)
    return value


@click.command()
@click.argument("service", callback=_name)
@click.argument("variant", callback=_name)
@click.option("--target", default="", callback=_target, help="Where its model server listens.")
@click.option("--version", "label", default="", help="The model version, as operators know it.")
@click.option(
    "--mirror", default="0", metavar="PERCENT", callback=_percent, help="Share of calls copied to it."
)
@with_client
def deploy(
    client: Client, output: Format, service: str, variant: str, target: str, label: str, mirror: float
) -> None:
    """Put a version into SERVICE's idle slot VARIANT, without traffic.

    Of a variant that is there already, --target and --version keep what they are where left out.
    """
    request = services_pb2.DeployRequest(
        service=service,
        variant=service_pb2.Variant(name=variant, target=target, version=label),
        mirror_percent=mirror,
    )
    slots = client.ask(client.services.Deploy, request).slots
    note = f"{variant} stands by" + (f" with {figures.percent(mirror)} of the calls copied" if mirror else "")
    show(output, lambda: to_plain(slots), lambda: render_slots(service, slots, note))


@click.command()
@click.argument("service", callback=_name)
@click.argument("variant", required=False, callback=_name)
@with_client
def switch(client: Client, output: Format, service: str, variant: str | None) -> None:
    """Move all of SERVICE's traffic to the idle slot, or to VARIANT, in one push."""
    request = services_pb2.SwitchRequest(service=service, variant=variant or "")
    answer = client.ask(client.services.Switch, request)
    note = f"by snapshot {figures.snapshot(answer.epoch, answer.version)}"
    show(output, lambda: to_plain(answer.slots), lambda: render_slots(service, answer.slots, note))


@click.command()
@click.argument("service", callback=_name)
@with_client
def rollback(client: Client, output: Format, service: str) -> None:
    """Move all of SERVICE's traffic back to the slot before the last switch, in one push."""
    answer = client.ask(client.services.Rollback, services_pb2.RollbackRequest(service=service))
    note = f"by snapshot {figures.snapshot(answer.epoch, answer.version)}"
    show(output, lambda: to_plain(answer.slots), lambda: render_slots(service, answer.slots, note))
