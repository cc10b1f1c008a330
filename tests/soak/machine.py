"""Ten thousand random histories of rollouts over a real store: `make soak-machine`."""

import sys
import time

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.life_of_rollouts import LifeOfRollouts

RUNS = 10_000
STEPS = 30


def soak(runs: int) -> None:
    begun = time.monotonic()
    run_state_machine_as_test(
        LifeOfRollouts,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
    minutes = (time.monotonic() - begun) / 60
    sys.stdout.write(f"{runs} histories of up to {STEPS} happenings in {minutes:.1f} min: all held\n")


if __name__ == "__main__":
    soak(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
