"""The one place that reads a clock; everything else is handed one."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: one that only measures, one that is written down."""

    def monotonic(self) -> float:
        """Seconds since some moment of this process; never jumps."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch; may jump."""
        ...


class SystemClock:
    """The machine's."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()
