"""`understudy`: only dispatches. Each verb's module is loaded when the verb is used, so that neither plane
loads the other and a sidecar starts with nothing of the control service in memory.
"""

import importlib
import sys
from typing import cast

import click

from understudy.loading import InvalidFile
from understudy.serving.failure import CannotStart

VERBS: dict[str, tuple[str, str]] = {
    "proxy": ("proxy.cli:proxy", "Run the sidecar."),
    "drain": ("proxy.cli:drain", "Drain the sidecar beside this process, for a preStop hook."),
    "control": ("control.cli.control:control", "Run the control service."),
    "service": ("control.cli.service:service", "Apply and show services."),
    "rollout": ("control.cli.rollout:rollout", "Start, watch and steer rollouts."),
    "deploy": ("control.cli.slots:deploy", "Put a version into the idle slot."),
    "switch": ("control.cli.slots:switch", "Move all traffic to the other slot."),
    "rollback": ("control.cli.slots:rollback", "Move all traffic back to the slot before."),
    "sidecars": ("control.cli.sidecars:sidecars", "Show every sidecar and what it runs."),
    "shadow": ("control.cli.shadow:shadow", "Show what comparing shadows found."),
    "simulate": ("control.cli.simulate:simulate", "Try a rollout many times over, in virtual time."),
    "outcome": ("control.cli.outcome:outcome", "Report what became known of past predictions."),
    "lint": ("control.cli.lint:lint", "Check files."),
    "demo": ("examples.demo.cli:demo", "See it at work: real models, real traffic, two rollouts."),
}


class _Verbs(click.Group):
    """A group whose commands are looked up in VERBS and imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module, attribute = VERBS[cmd_name][0].split(":")
        try:
            return cast("click.Command", getattr(importlib.import_module(module), attribute))
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in ("examples", "sklearn"):
                raise
            raise CannotStart(f"{cmd_name} needs a checkout and scikit-learn: run make {cmd_name}") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help without loading a single verb."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(
    cls=_Verbs,
    context_settings={"auto_envvar_prefix": "UNDERSTUDY", "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="understudy")
def cli() -> None:
    """Change the model behind a gRPC endpoint without betting your users on it."""


def main() -> None:
    """Run a verb; a user's mistake is a line and an exit code, never a traceback."""
    try:
        cli()
    except InvalidFile as error:
        click.echo("\n".join(error.problems), err=True)
        sys.exit(2)
    except CannotStart as error:
        click.echo(f"understudy: {error}", err=True)
        sys.exit(1)
