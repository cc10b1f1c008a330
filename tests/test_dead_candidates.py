"""A candidate that dies, or never lives, takes nobody with it: `make soak-candidates`, in short."""

import asyncio
import itertools
import pathlib
import random

import pytest

from tests.support.candidates import KINDS, STRATEGIES, lane
from tests.support.model_process import model_process
from tests.support.processes import control_process

NEWS = 12.0
"""Seconds: a machine that does much else is late with everything."""


@pytest.mark.parametrize("engine", ["grpc-aio", "relay"])
async def test_a_candidate_that_is_not_there_is_never_promoted(tmp_path: pathlib.Path, engine: str) -> None:
    async def see(number: int, kind: str, strategy: str) -> None:
        draw = random.Random(number)  # noqa: S311 - the same again
        async with lane(tmp_path, f"lane-{number}", control.address, engine, stable) as one:
            outcome = await one.see(kind, strategy, draw, news=NEWS)
        assert (outcome.end != "promoted", outcome.wrong) == (True, ()), outcome

    strategies = itertools.cycle(STRATEGIES if engine == "relay" else reversed(STRATEGIES))
    async with (
        control_process(tmp_path, tmp_path / "control.err") as control,
        model_process() as stable,
        asyncio.TaskGroup() as tasks,
    ):
        for number, (kind, strategy) in enumerate(zip(KINDS, strategies, strict=False)):
            tasks.create_task(see(number, kind, strategy))
