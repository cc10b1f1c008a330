from control.delivery.fleet import Answer, Fleet
from control.signals import Changes


def fleet() -> Fleet:
    return Fleet(Changes())


def test_a_sidecar_stays_known_when_it_is_gone() -> None:
    sidecars = fleet()
    sidecar = sidecars.connect("fraud", "pod-1", "a", (1, 2), 5.0)
    assert sidecars.connected("fraud") == [sidecar]
    sidecars.disconnect(sidecar)
    assert sidecars.connected("fraud") == []
    assert sidecars.of("fraud") == sidecars.of() == [sidecar]


def test_a_stream_that_is_replaced_before_it_ends_counts_once() -> None:
    sidecars = fleet()
    first = sidecars.connect("fraud", "pod-1", "a", (1, 2), 5.0)
    second = sidecars.connect("fraud", "pod-1", "a", (1, 3), 6.0)
    sidecars.disconnect(first)
    assert second.connected
    assert len(sidecars.of()) == 1
    sidecars.disconnect(second)
    assert not second.connected


def test_a_process_that_starts_anew_takes_the_place_of_the_old() -> None:
    sidecars = fleet()
    sidecars.disconnect(sidecars.connect("fraud", "pod-1", "a", (1, 2), 5.0))
    again = sidecars.connect("fraud", "pod-1", "b", (1, 2), 6.0)
    assert sidecars.of() == [again]


def test_two_processes_of_one_name_are_two_sidecars() -> None:
    sidecars = fleet()
    sidecars.connect("fraud", "pod-1", "a", (1, 2), 5.0)
    sidecars.connect("fraud", "pod-1", "b", (1, 2), 6.0)
    assert [sidecar.boot_id for sidecar in sidecars.connected("fraud")] == ["a", "b"]


def test_what_a_sidecar_runs_is_compared_by_epoch_then_version() -> None:
    sidecar = fleet().connect("fraud", "pod-1", "a", (2, 5), 5.0)
    assert sidecar.runs((2, 5), epoch=2)
    assert sidecar.runs((1, 9), epoch=2)
    assert not sidecar.runs((2, 6), epoch=2)
    assert not sidecar.runs((1, 1), epoch=1)
    assert sidecar.answer is Answer.NONE


def test_every_difference_is_told() -> None:
    changes = Changes()
    sidecars = Fleet(changes)
    sidecar = sidecars.connect("fraud", "pod-1", "a", (1, 2), 5.0)
    sidecars.note_report("fraud", "pod-1", "a", {"v1": (True, "")}, 6.0)
    sidecars.note_report("fraud", "stranger", "x", {}, 6.0)
    sidecars.disconnect(sidecar)
    assert changes.count == 3
    assert (sidecar.reported_at, sidecar.health) == (6.0, {"v1": (True, "")})


def test_a_sidecar_that_is_gone_for_long_is_forgotten() -> None:
    fleet = Fleet(Changes())
    gone = fleet.connect("fraud", "gone", "b", (0, 0), 1.0)
    fleet.connect("fraud", "there", "b", (0, 0), 1.0)
    fleet.note_report("fraud", "gone", "b", {}, 5.0)
    fleet.disconnect(gone)
    fleet.forget(5.0)
    assert [sidecar.node for sidecar in fleet.of()] == ["gone", "there"]
    fleet.forget(5.1)
    assert [sidecar.node for sidecar in fleet.of()] == ["there"]
