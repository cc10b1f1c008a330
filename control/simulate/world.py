"""What is imagined of the callers and of the two versions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one version answers. `error_rate` from 0 to 1; `latency` is the median, in seconds."""

    error_rate: float
    latency: float = 0.05


@dataclass(frozen=True, slots=True)
class Crowd:
    """Callers with a sticky key: `users` of them.

    The n-th busiest calls in proportion to n^-skew; 0: all alike. Each has an error rate of its own, from a
    Beta distribution with the version's rate as its mean and `beta` as the sum of its two parameters: the
    smaller, the more differ the users; 0: all alike.
    """

    users: int
    skew: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """Calls a second in all, by whom, and what becomes of them.

    Latencies are lognormal with `sigma`; `match_rate`, from 0 to 1, is how often a copy's prediction agrees.
    """

    rps: float
    stable: Behaviour
    candidate: Behaviour
    sigma: float = 0.5
    match_rate: float = 1.0
    crowd: Crowd | None = None
