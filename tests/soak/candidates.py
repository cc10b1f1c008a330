"""Rollouts whose candidates are killed, stopped, or never come up, 200 of them: `make soak-candidates`.

`ARGS="40 7"`: so many, drawn with that seed. One line a rollout; fails if any went on without its candidate.
"""

import asyncio
import pathlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator

from tests.support.candidates import KINDS, STRATEGIES, Lane, Outcome, lane
from tests.support.model_process import model_process
from tests.support.processes import control_process

RUNS = 200
LANES = 5
ENGINES = ("grpc-aio", "relay")


async def soak(runs: int, seed: int) -> int:
    kinds = [(KINDS[number % 3], list(STRATEGIES)[number // 3 % 2]) for number in range(runs)]
    waiting = iter(kinds)
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory() as place:
        directory = pathlib.Path(place)
        async with (
            control_process(directory, directory / "control.err") as control,
            model_process() as stable,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(LANES):
                draw = random.Random(f"{seed} {number}")  # noqa: S311 - the same again
                name, engine = f"lane-{number}", ENGINES[number % 2]

                async def drive(name: str = name, engine: str = engine, draw: random.Random = draw) -> None:
                    async with lane(directory, name, control.address, engine, stable) as one:
                        await _one_after_another(one, waiting, draw, found)

                tasks.create_task(drive())
    return _summary(found)


async def _one_after_another(
    one: Lane, waiting: Iterator[tuple[str, str]], draw: random.Random, found: list[Outcome]
) -> None:
    """A rollout that was over before its candidate died says nothing: it is done again."""
    for kind, strategy in waiting:
        while (outcome := await one.see(kind, strategy, draw)).end == "too soon":
            sys.stdout.write(f"{one.name}: {outcome}\n")
        found.append(outcome)
        sys.stdout.write(f"{one.name}: {outcome}\n")
        sys.stdout.flush()


def _summary(found: list[Outcome]) -> int:
    wrong = [one for one in found if one.wrong or one.end == "promoted"]
    for kind in KINDS:
        mine = [one for one in found if one.kind == kind]
        ends = Counter(one.end for one in mine)
        took = sorted(one.took for one in mine if one.end == "rolled back")
        old = sum(one.on_old_news for one in mine)
        text = ", ".join(f"{count} {end}" for end, count in ends.most_common())
        slowest = f"; rolled back within {took[len(took) // 2]:.1f} s (most {took[-1]:.1f})" if took else ""
        sys.stdout.write(f"{kind}: {len(mine)}: {text}{slowest}; {old} stages on evidence from before\n")
    sys.stdout.write(f"{len(found)} candidates died; {len(wrong)} rollouts went on without theirs\n")
    return len(wrong)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:3]]
    asked = numbers[0] if numbers else RUNS
    sys.exit(asyncio.run(soak(asked, numbers[1] if len(numbers) > 1 else 1)) != 0)
