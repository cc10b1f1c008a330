"""The one line a process prints on standard output: that it is ready, and where.

Whoever started it with port 0 learns the real ports from it; a supervisor can wait for it.
"""

import json
import sys
from collections.abc import Mapping


def announce(listening: Mapping[str, str]) -> None:
    """Print `{"listening": {door: address}}`."""
    sys.stdout.write(json.dumps({"listening": dict(listening)}) + "\n")
    sys.stdout.flush()


def heard(line: bytes) -> dict[str, str]:
    """What a process announced by that line; a ValueError for anything else."""
    listening = json.loads(line)["listening"]
    return {str(door): str(address) for door, address in listening.items()}
