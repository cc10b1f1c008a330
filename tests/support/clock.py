"""A clock that stands until it is moved."""


class ManualClock:
    """Both clocks of `control.clock.Clock`, moved together."""

    def __init__(self, wall: float = 1_790_000_000.0) -> None:
        self._monotonic = 1000.0
        self._wall = wall

    def monotonic(self) -> float:
        return self._monotonic

    def wall(self) -> float:
        return self._wall

    def advance(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += seconds
