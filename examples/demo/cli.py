"""`understudy demo`: run the story, prove it, clean up."""

import asyncio
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import click
import uvloop
from understudy.checks.sidecar import ENGINES

from examples.calls import COUNTS, from_lines
from examples.demo import proof, summary
from examples.demo.processes import Died, Processes
from examples.demo.story import Story, Told, get


@click.command()
@click.option("--keep", is_flag=True, help="Keep everything running afterwards, until Ctrl-C.")
@click.option("--engine", type=click.Choice(ENGINES), default="grpc-aio", show_default=True)
def demo(*, keep: bool, engine: str) -> None:
    """See it at work: real models, real traffic, two rollouts. About 90 seconds."""
    sys.exit(uvloop.run(_run(engine, keep=keep)))


async def _run(engine: str, *, keep: bool) -> int:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="understudy-demo-"))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(_play(folder, engine, stop, keep=keep), name="demo")
            stopping = tasks.create_task(stop.wait(), name="stop")
            await asyncio.wait((playing, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not playing.done():
                playing.cancel()
        return 130 if playing.cancelled() else playing.result()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _play(folder: pathlib.Path, engine: str, stop: asyncio.Event, *, keep: bool) -> int:
    started = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - started:6.1f} s  {line}" if line else "")

    async with Processes(folder) as processes:
        story = Story(processes, folder, engine, say)
        try:
            told = await story.tell()
            await processes.stop("traffic")
            held = await _prove(told, folder / "calls.jsonl")
            if keep:
                await story.start_traffic(folder / "more-calls.jsonl")
                _say_what_to_try(told)
                await stop.wait()
        except (Died, TimeoutError) as error:
            click.echo(
                f"the demo failed: {error if isinstance(error, Died) else 'it took too long'}", err=True
            )
            return 1
    say("stopped every process and removed every file")
    return 0 if held else 1


async def _prove(told: Told, record: pathlib.Path) -> bool:
    """Print what happened and whether it held."""
    text = await asyncio.to_thread(record.read_text)
    records = from_lines(text)
    served = {name: await _served(target) for name, target in told.targets.items()}
    live = {name: sum(not mirrored for _, _, mirrored in calls) for name, calls in served.items()}
    copies = sum(mirrored for calls in served.values() for _, _, mirrored in calls)
    seen, outcomes = await _mirror_counts(told.admin)
    good, bad = told.rollouts["digits-v2"], told.rollouts["digits-v3"]
    found = [
        proof.ended("digits-v2", good["phase"], "Succeeded", good["reason"]),
        proof.ended("digits-v3", bad["phase"], "RolledBack", bad["reason"]),
        proof.no_call_failed(records),
        proof.shares_as_asked(told.slices, records),
        proof.users_stayed(told.slices, records),
        proof.counts_agree(records, live),
        proof.none_served("v3", told.rolled_back_at, records),
        proof.copies_accounted(seen, outcomes, copies),
    ]
    click.echo("")
    for line in (*summary.table(told.slices, records, told.rollouts), "", *summary.claims(found), ""):
        click.echo(line)
    return all(claim.holds for claim in found)


async def _served(target: str) -> list[tuple[float, str, bool]]:
    """What a model server says it served."""
    import grpc  # noqa: PLC0415  # after the last process was started: nothing is forked behind grpc's back

    async with grpc.aio.insecure_channel(target, options=(("grpc.enable_http_proxy", 0),)) as channel:
        counts: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(COUNTS)
        calls: list[tuple[float, str, bool]] = json.loads(await counts(b"", timeout=10))
        return calls


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
