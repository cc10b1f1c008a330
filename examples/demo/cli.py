"""`understudy demo`: run the story, prove it, clean up."""

import asyncio
import importlib.util
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine, Mapping
from typing import Any

import click
import uvloop
from understudy.checks.sidecar import ENGINES
from understudy.serving.failure import CannotStart

from examples.calls import COUNTS, Served, from_lines
from examples.demo import proof, summary
from examples.demo.processes import Died, Processes
from examples.demo.story import Story, Told, get

INTERRUPTED = 130
NOTICED = 0.3
"""Seconds in which the end of a process is noticed."""


@click.command()
@click.option("--keep", is_flag=True, help="Keep everything running afterwards, until Ctrl-C.")
@click.option("--engine", type=click.Choice(ENGINES), default="grpc-aio", show_default=True)
def demo(*, keep: bool, engine: str) -> None:
    """See it at work: real models, real traffic, two rollouts. About 90 seconds."""
    if importlib.util.find_spec("sklearn") is None:
        raise CannotStart("demo needs a checkout and scikit-learn: run make demo")
    sys.exit(uvloop.run(_run(engine, keep=keep)))


async def _run(engine: str, *, keep: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    started = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s  {line}" if line else "")

    folder = pathlib.Path(tempfile.mkdtemp(prefix="understudy-demo-"))
    try:
        async with Processes(folder) as processes:
            story = Story(processes, folder, engine, say)
            code = await _unless(stop, _tell(story, processes, folder))
            if keep and code != INTERRUPTED and story.told.complete:
                await _keep(story, folder, stop)
            elif code == 0:
                code = _ended_well(await processes.stop_all())
    finally:
        shutil.rmtree(folder)
    say("stopped every process and removed every file")
    return code


async def _unless(stop: asyncio.Event, telling: Coroutine[Any, Any, int]) -> int:
    """The exit code of the story, which is cut short when the demo is told to stop.

    Only the story is cancelled: what cleans up after it is not within reach of a signal.
    """
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(telling, name="story")
        stopping = tasks.create_task(stop.wait(), name="stop")
        await asyncio.wait((told, stopping), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        stopping.cancel()
    return INTERRUPTED if told.cancelled() else told.result()


async def _tell(story: Story, processes: Processes, folder: pathlib.Path) -> int:
    """Tell the story and prove it; the exit code. What went wrong is said here."""
    record = folder / "calls.jsonl"
    try:
        told = await story.tell()
        await processes.stop("traffic")
        return 0 if await _prove(told, record) else 1
    except (Died, OSError) as error:
        click.echo(f"the demo failed: {await _why(processes, error)}", err=True)
        return 1


async def _why(processes: Processes, error: Exception) -> str:
    """What explains an error best: a process that has ended, where there is one."""
    await asyncio.sleep(NOTICED)
    try:
        processes.check()
    except Died as died:
        return str(died)
    return "it took too long" if isinstance(error, TimeoutError) else str(error)


async def _keep(story: Story, folder: pathlib.Path, stop: asyncio.Event) -> None:
    """Leave everything running for a look."""
    try:
        await story.start_traffic(folder / "more-calls.jsonl")
    except Died as died:
        click.echo(str(died), err=True)
    _say_what_to_try(story.told)
    await stop.wait()


async def _prove(told: Told, record: pathlib.Path) -> bool:
    """Print what happened and whether it held."""
    text = await asyncio.to_thread(record.read_text)
    records = from_lines(text)
    served = {name: await _served(target) for name, target in told.targets.items()}
    copies = sum(call.mirrored for calls in served.values() for call in calls)
    seen, outcomes = await _mirror_counts(told.admin)
    good, bad = told.rollouts["digits-v2"], told.rollouts["digits-v3"]
    found = [
        proof.ended("digits-v2", good["phase"], "Succeeded", good["reason"]),
        proof.ended("digits-v3", bad["phase"], "RolledBack", bad["reason"]),
        proof.no_call_failed(records),
        proof.shares_as_asked(told.slices, records),
        proof.users_stayed(told.slices, records),
        proof.counts_agree(records, served),
        proof.none_served("v3", told.rolled_back_at, records),
        proof.copies_accounted(seen, outcomes, copies),
    ]
    click.echo("")
    for line in (*summary.table(told.slices, records, told.rollouts), "", *summary.claims(found), ""):
        click.echo(line)
    return all(claim.holds for claim in found)


async def _served(target: str) -> list[Served]:
    """What a model server says it served."""
    import grpc  # noqa: PLC0415  # not before it is needed: until here, processes were started

    async with grpc.aio.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),)) as channel:
        counts: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(COUNTS)
        try:
            return [Served(*call) for call in json.loads(await counts(b"", timeout=10))]
        except grpc.aio.AioRpcError as error:
            raise Died(f"the model server at {target} does not tell its counts: {error.details()}") from None


async def _mirror_counts(admin: str) -> tuple[float, dict[str, float]]:
    """Copies seen and by outcome, from the sidecar's metrics."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    _, body = await asyncio.to_thread(get, f"http://{admin}/metrics")
    seen = 0.0
    outcomes: dict[str, float] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            if sample.name == "understudy_mirror_seen_total":
                seen += sample.value
            elif sample.name == "understudy_mirror_total":
                outcome = sample.labels["outcome"]
                outcomes[outcome] = outcomes.get(outcome, 0.0) + sample.value
    return seen, outcomes


def _ended_well(codes: Mapping[str, int]) -> int:
    """An exit code: whether every process ended with 0 when it was asked to end."""
    for name, code in codes.items():
        if code:
            click.echo(f"{name} ended with exit code {code}", err=True)
    return 1 if any(codes.values()) else 0


def _say_what_to_try(told: Told) -> None:
    click.echo(f"Everything keeps running until Ctrl-C. The page: {told.page}")
    click.echo("In another terminal, with .venv/bin in PATH:")
    click.echo(f"  export UNDERSTUDY_CONTROL={told.control}")
    for line in (
        "understudy service get digits",
        "understudy sidecars",
        "understudy rollout explain digits-v3",
        "understudy rollout retry digits-v3 && understudy rollout watch digits-v3",
        "understudy rollout undo digits-v2",
    ):
        click.echo(f"  {line}")
    click.echo(f"  curl http://{told.admin}/metrics")
