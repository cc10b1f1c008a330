"""Cut the power at every write and sync of a whole canary, with many random halves: `make soak-power`."""

import asyncio
import pathlib
import sys
import tempfile

from tests.support.power_cut import cut_everywhere, trace

HALVES = 50


async def soak() -> int:
    wrong = 0
    for journal in ("PERSIST", "WAL"):
        with tempfile.TemporaryDirectory() as place:
            directory = pathlib.Path(place)
            calls = await trace(directory, journal)
            found = cut_everywhere(calls, directory / "left", halves=HALVES)
        states = ", ".join(f"{count} {kind}" for kind, count in found.states.items())
        sys.stdout.write(f"{journal}: {len(calls)} calls; {states}: {len(found.wrong)} lost or corrupt\n")
        sys.stdout.writelines(f"  {line}\n" for line in found.wrong[:20])
        wrong += len(found.wrong)
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(soak()) != 0)
