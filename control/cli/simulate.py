"""`understudy simulate`: what a rollout file would do, many times over, in virtual time."""

import dataclasses
import pathlib
from typing import Any

import click
from understudy.checks import Violation
from understudy.loading import InvalidFile, load_document, parse_duration
from understudy.loading.units import parse_percent

from control.cli.output import Format, show, with_output
from control.cli.render.simulations import simulation_lines
from control.rollout.model import Plan
from control.rollout.strategies import InvalidRollout
from control.simulate.figures import figures
from control.simulate.many import cores, run_many
from control.simulate.run import Times, compile_alone
from control.simulate.world import Behaviour, Crowd, World


class Rate(click.ParamType[float]):
    """`0.5%`, or `0.005`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            rate = parse_percent(value) / 100 if value.strip().endswith("%") else float(value)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            self.fail(f"must be a rate such as 0.5% or 0.005, got {value!r}", param, ctx)
        return rate


class Span(click.ParamType[float]):
    """`5s`, `8h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"must be above 0, got {value!r}", param, ctx)
        return seconds


ABOVE_0 = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("-f", "--file", required=True, metavar="FILE", type=click.Path(path_type=pathlib.Path))
@click.option("--rps", type=ABOVE_0, required=True, help="Calls a second, in all.")
@click.option("--stable-error-rate", type=Rate(), default=0.005, show_default="0.5%")
@click.option("--candidate-error-rate", type=Rate(), default=0.005, show_default="0.5%")
@click.option("--stable-latency-ms", type=ABOVE_0, default=50.0, show_default=True, help="The median.")
@click.option("--candidate-latency-ms", type=ABOVE_0, default=50.0, show_default=True, help="The median.")
@click.option(
    "--latency-sigma", type=ABOVE_0, default=0.5, show_default=True, help="Latencies are lognormal."
)
@click.option(
    "--match-rate", type=Rate(), default=1.0, show_default="100%", help="How often a copy's answer agrees."
)
@click.option(
    "--users", type=click.IntRange(min=1), help="Callers are so many sticky users; else each call is drawn."
)
@click.option(
    "--user-skew",
    type=click.FloatRange(min=0),
    default=0.0,
    help="How unequally busy they are: Zipf's exponent.",
)
@click.option(
    "--user-beta",
    type=click.FloatRange(min=0),
    default=0.0,
    help="How unequal their error rates are: the sum of the Beta distribution's parameters; 0: equal.",
)
@click.option("--runs", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--report-every", type=Span(), default=5.0, show_default="5s")
@click.option("--horizon", type=Span(), default=8 * 3600.0, show_default="8h", help="Undecided then: held.")
@click.option("--gate", type=click.Choice(["sequential", "threshold"]), help="Instead of the file's.")
@click.option("--processes", type=click.IntRange(min=1), help="To share the runs; one a core, if not said.")
@with_output
def simulate(
    output: Format,
    file: pathlib.Path,
    runs: int,
    seed: int,
    report_every: float,
    horizon: float,
    gate: str | None,
    processes: int | None,
    **asked: Any,
) -> None:
    """Say how often, and how soon, a rollout would promote, roll back or hold.

    It is carried out by what carries out real ones, on imagined calls and an imagined clock.
    """
    plan = _plan(file, gate)
    world = _world(**asked)
    times = Times(report_every, horizon)
    ends = run_many(plan, world, times, seed=seed, runs=runs, processes=processes or cores())
    total = figures(ends)
    show(output, lambda: dataclasses.asdict(total), lambda: simulation_lines(plan, total, ends))


def _plan(file: pathlib.Path, gate: str | None) -> Plan:
    document = load_document(file, "Rollout")
    if gate is not None:
        document.message.gate = gate
    if document.message.metrics:
        text = "cannot be simulated: leave the metrics of other systems out, and what is required of them"
        raise InvalidFile(document.problems([Violation("metrics", text)]))
    try:
        return compile_alone(document.message)
    except InvalidRollout as error:
        raise InvalidFile(document.problems(error.violations)) from None


def _world(
    *,
    rps: float,
    stable_error_rate: float,
    candidate_error_rate: float,
    stable_latency_ms: float,
    candidate_latency_ms: float,
    latency_sigma: float,
    match_rate: float,
    users: int | None,
    user_skew: float,
    user_beta: float,
) -> World:
    return World(
        rps=rps,
        stable=Behaviour(stable_error_rate, stable_latency_ms / 1000),
        candidate=Behaviour(candidate_error_rate, candidate_latency_ms / 1000),
        sigma=latency_sigma,
        match_rate=match_rate,
        crowd=Crowd(users, user_skew, user_beta) if users else None,
    )
