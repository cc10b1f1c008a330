"""`understudy proxy` and `understudy drain`."""

import http.client
import os
import pathlib
import socket
import time
from typing import TYPE_CHECKING, cast

import click
from understudy.checks.sidecar import ENGINES, MOST_WORKERS, check_sidecar
from understudy.loading import InvalidFile, load_document
from understudy.serving.addresses import parse_address
from understudy.serving.failure import CannotStart
from understudy.serving.logs import configure_logging
from understudy.serving.ticket_secrets import ticket_secrets
from understudy.v1.sidecar_pb2 import Sidecar as File

if TYPE_CHECKING:
    from proxy.settings import Settings


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=pathlib.Path), help="A Sidecar file.")
@click.option("--listen", help="Data port, instead of the file's.")
@click.option("--admin", help="Admin port, instead of the file's.")
@click.option("--status", help="Status port, instead of the file's.")
@click.option("--engine", type=click.Choice(ENGINES), help="Engine, instead of the file's.")
@click.option(
    "--workers",
    type=click.IntRange(0, MOST_WORKERS),
    help="Processes on the data port, instead of the file's; 0 and 1: no other than this one.",
)
@click.option("--control", help="Control service, instead of the file's.")
@click.option("--node", help="Name at the control service, instead of the file's.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def proxy(config: pathlib.Path, log_level: str, **overrides: str | int | None) -> None:
    """Run the sidecar."""
    # Read when grpc is imported, below. What its core writes by itself is no log line of ours, and all that
    # matters of it comes back as an exception or a status.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    document = load_document(config, "Sidecar")
    for field, value in overrides.items():
        if value is not None:
            setattr(document.message, field, value)
    if violations := check_sidecar(document.message):
        raise InvalidFile(document.problems(violations))
    configure_logging(log_level)
    import uvloop  # noqa: PLC0415

    from proxy.settings import settings_of  # noqa: PLC0415

    secrets = ticket_secrets(document.message.ticket_secret_file, os.environ)
    settings = settings_of(document.message, socket.gethostname(), *secrets[:1])
    uvloop.run(_run(cast(File, document.message), settings, log_level))


async def _run(message: File, settings: "Settings", log_level: str) -> None:
    if message.workers < 2:
        from proxy.process import Sidecar  # noqa: PLC0415

        await Sidecar(settings).run()
        return
    from proxy.workers.child import Ended  # noqa: PLC0415
    from proxy.workers.supervisor import Supervisor  # noqa: PLC0415

    try:
        await Supervisor(message, settings, log_level).run()
    except Ended as ended:
        if ended.code != 1:  # else it has said why
            raise CannotStart(f"a worker {ended} before it listened") from None
        raise SystemExit(1) from None


@click.command()
@click.option("--admin", default="127.0.0.1:7071", show_default=True, help="The sidecar's admin port.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for the sidecar's exit.")
def drain(admin: str, timeout: float) -> None:
    """Drain the sidecar beside this process and wait until it has exited; for a preStop hook."""
    try:
        host, port = parse_address(admin)
    except ValueError as error:
        raise click.BadParameter(f"{error}, got {admin!r}", param_hint="--admin") from None
    until = time.monotonic() + timeout
    try:
        status = _request(host, port, "POST", "/drain")
    except OSError as error:
        raise CannotStart(f"no sidecar answers on {admin} (--admin): {error.strerror or error}") from None
    if status != http.client.ACCEPTED:
        raise CannotStart(f"{admin} (--admin) is not a sidecar's admin port: POST /drain answered {status}")
    while time.monotonic() < until:
        try:
            _request(host, port, "GET", "/healthz")
        except OSError:
            click.echo("drained")
            return
        time.sleep(0.1)
    raise CannotStart(f"the sidecar on {admin} was still draining after {timeout:g}s (--timeout)")


def _request(host: str, port: int, method: str, path: str) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise ConnectionError(str(error) or "no answer") from None
    finally:
        connection.close()
