from control.delivery.board import Board
from control.store.services import StoredService
from tests.support.rollouts import make_service


def stored(version: int) -> StoredService:
    service = make_service()
    return StoredService("fraud", service, service, version, "one", (0.2,), 90.5)


def test_what_is_put_up_is_the_newest() -> None:
    board = Board(epoch=4)
    assert board.newest("fraud") is None
    board.put_up([stored(3)])
    snapshot = board.newest("fraud")
    assert snapshot is not None
    assert (snapshot.epoch, snapshot.version, snapshot.rollout) == (4, 3, "one")
    assert snapshot.service == make_service()
    assert snapshot.latency_bounds[0].nanos == 200_000_000
    assert snapshot.built_at.seconds == 90


def test_what_comes_late_changes_nothing() -> None:
    board = Board(epoch=4)
    board.put_up([stored(3)])
    seen = board.changes.count
    board.put_up([stored(2), stored(3)])
    assert board.changes.count == seen
    assert repr(board) == "<Board epoch 4: fraud 3>"
