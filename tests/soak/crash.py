"""Kill the control service at write 1, 2, … of a whole canary and its rollback: `make soak-crash`.

One line a death; ends at the first that changes how the rollout ends. `ARGS="101 150"` takes a part of them.
"""

import asyncio
import pathlib
import sys
import tempfile

from tests.support.lives import killed_at


async def _one(last: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        return await killed_at(pathlib.Path(directory), last)


async def soak(first: int, end: int | None) -> None:
    writes = await _one(0)
    sys.stdout.write(f"a run without a death makes {writes} writes\n")
    end = min(end or writes, writes)
    for last in range(first, end + 1):
        rest = await _one(last)
        sys.stdout.write(f"killed at write {last} of {writes}: the same end after {rest} more\n")
        sys.stdout.flush()
    sys.stdout.write(f"killed at each of {first} to {end}: always the same end\n")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:3]]
    asyncio.run(soak(numbers[0] if numbers else 1, numbers[1] if len(numbers) > 1 else None))
