"""`understudy rollout watch`, in its three forms: redrawn in place, a line per change, a message per line.

Each form returns the last status seen; Ctrl-C ends it with exit code 130 and leaves the rollout alone.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import click
from understudy.v1 import rollouts_pb2

from control.cli.connection import Client, Failed
from control.cli.follow import Tick, follow
from control.cli.output import Format, show_lines, to_yaml
from control.cli.render.changes import render_changes
from control.cli.render.rollout import render_rollout
from control.cli.screen import Screen, hidden_cursor

_TICK = 1.0
_LOST = "the control service is away; waiting for it to come back"


def watch_screen(client: Client, name: str, out: TextIO) -> rollouts_pb2.RolloutStatus:
    """Redraw the status in place, at each news and at each second, so that a resized window is put right."""
    screen = Screen(out)
    last: rollouts_pb2.RolloutStatus | None = None
    with _interruptible(), hidden_cursor(out):
        for item in follow(client, name, _TICK):
            is_lost = isinstance(item, Tick) and item.is_lost
            last = last if isinstance(item, Tick) else item
            if last is not None:
                foot = _LOST if is_lost else "Ctrl-C stops watching; the rollout goes on"
                screen.draw([*render_rollout(last, time.time(), every_stage=False), "", foot])
        found = _seen(last, name)
        screen.draw(render_rollout(found, time.time()), whole=True)
    return found


def watch_lines(client: Client, name: str) -> rollouts_pb2.RolloutStatus:
    """Print a line for each thing that changed."""
    last: rollouts_pb2.RolloutStatus | None = None
    with _interruptible():
        for status in _told(client, name):
            stamp = time.strftime("%H:%M:%SZ", time.gmtime())
            show_lines([f"{stamp}  {line}" for line in render_changes(last, status)])
            last = status
    return _seen(last, name)


def watch_messages(
    client: Client, name: str, output: Format, to_plain: Callable[[rollouts_pb2.RolloutStatus], Any]
) -> rollouts_pb2.RolloutStatus:
    """Print each status: one JSON object a line, or one YAML document each."""
    last: rollouts_pb2.RolloutStatus | None = None
    with _interruptible():
        for status in _told(client, name):
            if output is Format.JSON:
                click.echo(json.dumps(to_plain(status), ensure_ascii=False))
            else:
                click.echo("---\n" + to_yaml(to_plain(status)), nl=False)
            last = status
    return _seen(last, name)


def _told(client: Client, name: str) -> Iterator[rollouts_pb2.RolloutStatus]:
    """Each status; that the control service went away is said on standard error, once each time."""
    was_lost = False
    for item in follow(client, name, _TICK):
        if isinstance(item, Tick):
            if item.is_lost and not was_lost:
                click.echo(f"understudy: {_LOST}", err=True)
            was_lost = item.is_lost
        else:
            was_lost = False
            yield item


def _seen(last: rollouts_pb2.RolloutStatus | None, name: str) -> rollouts_pb2.RolloutStatus:
    if last is None:
        raise Failed(f"the control service said nothing of rollout {name!r}")
    return last


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is the usual way to stop watching, not an error to talk about."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
