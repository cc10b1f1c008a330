"""ACK or NACK: decided without a clock or a wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from understudy.v1.discovery_pb2 import Snapshot
from understudy.v1.service_pb2 import Service

from proxy.config.acceptance import Refusal, accept
from proxy.policy.table import Table, compile_snapshot


def a_snapshot(epoch: int = 1, version: int = 1, name: str = "fraud") -> Snapshot:
    service = Service(name=name, variants=[{"name": "v1", "target": "a:1"}])
    return Snapshot(epoch=epoch, version=version, service=service)


def in_force(epoch: int, version: int) -> Table:
    return compile_snapshot(a_snapshot(epoch, version))


def test_the_first_snapshot_is_taken():
    table = accept(a_snapshot(1, 1), "fraud", None)
    assert table is not None
    assert table.at == (1, 1)


@pytest.mark.parametrize(
    ("held", "at"), [((1, 1), (1, 2)), ((1, 9), (2, 0)), ((0, 0), (0, 1)), ((0, 0), (1, 0))]
)
def test_what_is_newer_is_taken(held, at):
    table = accept(a_snapshot(*at), "fraud", in_force(*held))
    assert table is not None
    assert table.at == at


def test_what_is_in_force_is_confirmed_without_a_new_table():
    assert accept(a_snapshot(1, 2), "fraud", in_force(1, 2)) is None


def test_a_static_table_is_replaced_by_whatever_a_control_service_sends_even_if_it_is_numbered_alike():
    assert accept(a_snapshot(0, 0), "fraud", in_force(0, 0)) is not None


@pytest.mark.parametrize(("held", "at"), [((1, 2), (1, 1)), ((2, 0), (1, 9)), ((1, 1), (0, 0))])
def test_what_is_older_is_refused_with_what_is_held(held, at):
    with pytest.raises(Refusal) as caught:
        accept(a_snapshot(*at), "fraud", in_force(*held))
    newer = f"epoch {held[0]} version {held[1]}"
    assert str(caught.value) == (
        f"stale: epoch {at[0]} version {at[1]} is older than {newer}, which is in force"
    )
    assert caught.value.violations == []


POINTS = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(st.lists(POINTS, max_size=12))
def test_what_is_in_force_only_ever_grows(pushes):
    held: Table | None = None
    for at in pushes:
        try:
            taken = accept(a_snapshot(*at), "fraud", held)
        except Refusal:
            continue
        assert held is None or at >= held.at
        held = taken or held
    assert held is None or held.at == max(pushes)


def test_a_snapshot_of_another_service_is_refused_before_all_else():
    for held in (None, in_force(5, 5)):
        with pytest.raises(Refusal, match="snapshot is of service 'other'; this sidecar serves 'fraud'"):
            accept(a_snapshot(1, 1, "other"), "fraud", held)
    with pytest.raises(Refusal, match="snapshot is of service ''"):
        accept(Snapshot(epoch=9), "fraud", None)


def test_a_broken_snapshot_is_refused_with_every_field_in_the_nack():
    snapshot = a_snapshot(2, 1)
    snapshot.service.stable = "v9"
    snapshot.service.variants[0].target = "nowhere"
    with pytest.raises(Refusal) as caught:
        accept(snapshot, "fraud", in_force(1, 1))
    detail = caught.value.detail()
    assert [(one.field, one.description) for one in detail.violations] == [
        ("service.variants[0].target", "must be host:port, got 'nowhere'"),
        ("service.stable", "no variant is called 'v9'; there are: v1"),
    ]
    assert detail.message == str(caught.value) != ""
    assert "\n" not in detail.message


def test_a_refusal_without_fields_is_its_message():
    detail = Refusal("stale").detail()
    assert (detail.message, len(detail.violations)) == ("stale", 0)
