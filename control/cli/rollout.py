"""`understudy rollout`: start, watch and steer rollouts."""

import contextlib
import getpass
import pathlib
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click
from understudy.loading import InvalidFile, load_document
from understudy.v1 import rollouts_pb2

from control.cli.connection import Client
from control.cli.output import Format, show, show_lines, to_plain, with_client
from control.cli.render.evidence import trace
from control.cli.render.proofs import render_proofs
from control.cli.render.rollout import is_healthy, render_plan, render_rollout, render_rollouts, title
from control.cli.render.transitions import render_explanation, render_history, render_replay
from control.cli.watch import watch_lines, watch_messages, watch_screen
from control.rollout.strategies import check_rollout


@click.group()
def rollout() -> None:
    """Start, watch and steer rollouts."""


@rollout.command()
@click.option("-f", "--file", "path", required=True, type=click.Path(path_type=pathlib.Path), metavar="FILE")
@click.option("--supersede", is_flag=True, help="Abort the service's active rollout first.")
@with_client
def start(client: Client, output: Format, path: pathlib.Path, *, supersede: bool) -> None:
    """Start the rollout in FILE (kind: Rollout)."""
    document = load_document(path, "Rollout")
    if violations := check_rollout(document.message):
        raise InvalidFile(document.problems(violations))
    request = rollouts_pb2.StartRequest(rollout=document.message, supersede=supersede, by=caller())
    answer = client.ask(client.rollouts.Start, request, document)
    show(
        output,
        lambda: plain_status(answer.rollout) | {"proofs": [to_plain(each) for each in answer.proofs]},
        lambda: [title(answer.rollout), *render_proofs(answer.proofs)],
    )


@rollout.command(name="list")
@click.argument("service", default="")
@with_client
def list_rollouts(client: Client, output: Format, service: str) -> None:
    """Show every rollout, newest first, or those of SERVICE."""
    request = rollouts_pb2.RolloutsListRequest(service=service)
    statuses = client.ask(client.rollouts.List, request).rollouts
    show(
        output,
        lambda: [plain_status(each) for each in statuses],
        lambda: render_rollouts(statuses, time.time()),
    )


@rollout.command()
@click.argument("name")
@with_client
def get(client: Client, output: Format, name: str) -> None:
    """Show the rollout NAME as it was started, defaults filled in."""
    status = _get(client, name)
    show(output, lambda: plain_status(status), lambda: render_plan(status, time.time()))


@rollout.command()
@click.argument("name")
@with_client
def status(client: Client, output: Format, name: str) -> None:
    """Show how the rollout NAME stands; exit code 1 unless it is healthy.

    Healthy is: Succeeded, or Progressing with nothing failed.
    """
    found = _get(client, name)
    show(output, lambda: plain_status(found), lambda: render_rollout(found, time.time()))
    _exit(found)


@rollout.command()
@click.argument("name")
@with_client
def watch(client: Client, output: Format, name: str) -> None:
    """Follow the rollout NAME until it ends; the exit code is that of `status`.

    Redraws in place on a terminal, prints a line per change elsewhere, and with -o json a status per line.
    """
    if output is not Format.TABLE:
        last = watch_messages(client, name, output, plain_status)
    elif sys.stdout.isatty():
        last = watch_screen(client, name, sys.stdout)
    else:
        last = watch_lines(client, name)
    _exit(last)


@rollout.command()
@click.argument("name")
@click.option("--full", is_flag=True, help="Skip every stage that is left.")
@with_client
def promote(client: Client, output: Format, name: str, *, full: bool) -> None:
    """End the current stage of NAME, or its pause, and go to the next."""
    _steer(client, output, client.rollouts.Promote, rollouts_pb2.PromoteRequest(name=name, full=full))


@rollout.command()
@click.argument("name")
@with_client
def pause(client: Client, output: Format, name: str) -> None:
    """Keep the traffic of NAME as it is and stop its stage's clock."""
    _show_brief(
        output, client.ask(client.rollouts.Pause, rollouts_pb2.PauseRequest(name=name, by=caller())).rollout
    )


@rollout.command()
@click.argument("name")
@with_client
def resume(client: Client, output: Format, name: str) -> None:
    """Take the stage of NAME up again where its clock stood."""
    _show_brief(
        output, client.ask(client.rollouts.Resume, rollouts_pb2.ResumeRequest(name=name, by=caller())).rollout
    )


@rollout.command()
@click.argument("name")
@with_client
def abort(client: Client, output: Format, name: str) -> None:
    """Give NAME up: traffic goes back to what it was before it."""
    _show_brief(
        output, client.ask(client.rollouts.Abort, rollouts_pb2.AbortRequest(name=name, by=caller())).rollout
    )


@rollout.command()
@click.argument("name")
@with_client
def retry(client: Client, output: Format, name: str) -> None:
    """Start NAME, rolled back or aborted, again from its first stage."""
    _show_brief(
        output, client.ask(client.rollouts.Retry, rollouts_pb2.RetryRequest(name=name, by=caller())).rollout
    )


@rollout.command()
@click.argument("name")
@with_client
def undo(client: Client, output: Format, name: str) -> None:
    """Take the success of NAME back: the configuration before it."""
    _show_brief(
        output, client.ask(client.rollouts.Undo, rollouts_pb2.UndoRequest(name=name, by=caller())).rollout
    )


@rollout.command()
@click.argument("name")
@with_client
def history(client: Client, output: Format, name: str) -> None:
    """Show every step of NAME, one row each."""
    steps, stages = _past(client, name)
    show(output, lambda: [to_plain(each) for each in steps], lambda: render_history(steps, stages))


@rollout.command()
@click.argument("name")
@with_client
def explain(client: Client, output: Format, name: str) -> None:
    """Show every step of NAME with the evidence it was decided on."""
    steps, stages = _past(client, name)
    show(output, lambda: [to_plain(each) for each in steps], lambda: render_explanation(steps, stages))


@rollout.command()
@click.argument("name")
@with_client
def replay(client: Client, output: Format, name: str) -> None:
    """Decide every step of NAME again from the stored evidence; exit 1 where any comes out differently."""
    answer = client.ask(client.rollouts.Replay, rollouts_pb2.ReplayRequest(name=name))
    show(output, lambda: to_plain(answer), lambda: render_replay(answer.decisions))
    if not answer.same:
        raise click.exceptions.Exit(1)


def caller() -> str:
    """Who asks, as the audit shows it: a user of this machine, for whatever that is worth."""
    with contextlib.suppress(OSError, KeyError, ImportError):
        return f"{getpass.getuser()}@{socket.gethostname()}"
    return socket.gethostname()


def plain_status(found: rollouts_pb2.RolloutStatus) -> dict[str, Any]:
    """A status as plain values; an exemplar carries its trace's link where a viewer is known."""
    plain = to_plain(found)
    if found.trace_url:
        for entry, exemplar in zip(plain["exemplars"], found.exemplars, strict=True):
            entry["trace_link"] = trace(exemplar, found.trace_url) if exemplar.trace_id else ""
    return plain


def _get(client: Client, name: str) -> rollouts_pb2.RolloutStatus:
    return client.ask(client.rollouts.Get, rollouts_pb2.RolloutsGetRequest(name=name)).rollout


def _past(client: Client, name: str) -> tuple[Sequence[rollouts_pb2.Transition], list[str]]:
    """A rollout's steps, and the names of the stages they speak of."""
    stages = [each.stage.name for each in _get(client, name).stages]
    return client.ask(client.rollouts.Explain, rollouts_pb2.ExplainRequest(name=name)).transitions, stages


def _steer(client: Client, output: Format, method: Callable[..., Any], request: Any) -> None:
    """Give a rollout a command, in the name of who runs this."""
    request.by = caller()
    _show_brief(output, client.ask(method, request).rollout)


def _show_brief(output: Format, found: rollouts_pb2.RolloutStatus) -> None:
    """After a command: that it was taken, in one line."""
    if output is Format.TABLE:
        show_lines([title(found)])
    else:
        show(output, lambda: plain_status(found), list)


def _exit(found: rollouts_pb2.RolloutStatus) -> None:
    if not is_healthy(found):
        raise click.exceptions.Exit(1)
