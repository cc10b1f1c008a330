"""Kill the control service at write 1, 2, … of a whole canary and its rollback: `make soak-crash`.

One line a death; ends at the first that changes how the rollout ends.
"""

import asyncio
import pathlib
import sys
import tempfile

from tests.support.lives import killed_at


async def _one(last: int) -> int:
    with tempfile.TemporaryDirectory() as directory:
        return await killed_at(pathlib.Path(directory), last)


async def soak(first: int) -> None:
    writes = await _one(0)
    sys.stdout.write(f"a run without a death makes {writes} writes\n")
    for last in range(first, writes + 1):
        rest = await _one(last)
        sys.stdout.write(f"killed at write {last} of {writes}: the same end after {rest} more\n")
        sys.stdout.flush()
    sys.stdout.write(f"killed at each of {first} to {writes}: always the same end\n")


if __name__ == "__main__":
    asyncio.run(soak(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
