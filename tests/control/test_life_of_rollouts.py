"""Some random histories of rollouts here; ten thousand by `make soak-machine`."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.life_of_rollouts import LifeOfRollouts


def test_whatever_happens_the_invariants_hold() -> None:
    run_state_machine_as_test(
        LifeOfRollouts,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
