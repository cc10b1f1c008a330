"""A state survives its store."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.rollout.model import Cause, Ending, Phase, StageEnd, State
from control.rollout.records import UnknownFormat, state_from_json, state_to_json

seconds = st.floats(0, 1e9)
states = st.builds(
    State,
    phase=st.sampled_from(Phase),
    reason=st.text(max_size=20),
    stage=st.integers(0, 100),
    acked=st.booleans(),
    elapsed=seconds,
    waited=seconds,
    since=seconds,
    cause=st.none() | st.sampled_from(Cause),
    ended=st.lists(st.builds(StageEnd, st.sampled_from(Ending), seconds), max_size=4).map(tuple),
)


@given(states)
def test_what_is_written_is_read(state: State) -> None:
    found = state_from_json(json.loads(json.dumps(state_to_json(state))))
    assert found == state
    assert type(found.phase) is Phase


def test_the_clock_of_a_process_does_not_outlive_it() -> None:
    assert state_from_json(state_to_json(State(ticked_at=12.0))).ticked_at is None


@pytest.mark.parametrize("values", [{}, {"format": 2}])
def test_another_versions_record_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UnknownFormat, match="must be a rollout's state of format 1"):
        state_from_json(values)
