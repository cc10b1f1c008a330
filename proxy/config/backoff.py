"""How long to wait before the next try."""


class Backoff:
    """Doubles from `first` to `most` seconds with every failure, each wait drawn from its upper half.

    `draw` is a uniform random number from [0, 1): many sidecars that lost the same control service come back
    spread out.
    """

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Backoff after {self._failures} failures>"

    def next(self, draw: float) -> float:
        """Seconds to wait after one more failure."""
        ceiling = min(self._first * 2.0**self._failures, self._most)
        self._failures = min(self._failures + 1, 32)
        return ceiling * (0.5 + draw / 2)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
