"""The rules of a config stream, one message at a time."""

from understudy.v1 import discovery_pb2

from control.delivery.fleet import Answer, Sidecar
from control.delivery.subscription import Subscription

EPOCH = 3


def subscribed(*in_force: int) -> Subscription:
    return Subscription(Sidecar("pod-1", "boot", "fraud", in_force=in_force or (0, 0)))


def snapshot(version: int, epoch: int = EPOCH) -> discovery_pb2.Snapshot:
    return discovery_pb2.Snapshot(epoch=epoch, version=version)


def offered(stream: Subscription, version: int) -> discovery_pb2.SubscribeResponse | None:
    """What the sidecar is sent where that is the newest there is."""
    stream.look((EPOCH, version))
    return None if stream.sidecar.is_ahead else stream.offer(snapshot(version))


def said(nonce: str, *in_force: int, error: str | None = None) -> discovery_pb2.SubscribeRequest:
    request = discovery_pb2.SubscribeRequest(epoch=in_force[0], version=in_force[1], nonce=nonce)
    if error is not None:
        request.error_detail.message = error
    return request


def test_what_is_newer_is_sent_once() -> None:
    stream = subscribed(3, 1)
    sent = offered(stream, 2)
    assert sent is not None
    assert (sent.snapshot.version, sent.nonce) == (2, "1")
    assert offered(stream, 2) is None
    assert stream.sidecar.answer is Answer.WAITING


def test_what_the_sidecar_runs_is_not_sent() -> None:
    stream = subscribed(3, 2)
    assert offered(stream, 2) is None
    assert stream.sidecar.answer is Answer.ACK


def test_the_same_version_of_a_new_epoch_is_newer() -> None:
    assert offered(subscribed(2, 2), 2) is not None


def test_an_ack_puts_it_in_force() -> None:
    stream = subscribed()
    offered(stream, 1)
    assert stream.take(said("1", 3, 1), 50.0) is Answer.ACK
    assert (stream.sidecar.in_force, stream.sidecar.answered_at) == ((3, 1), 50.0)


def test_what_was_refused_is_not_sent_again_but_the_next_is() -> None:
    stream = subscribed(3, 1)
    offered(stream, 2)
    assert stream.take(said("1", 3, 1, error="weights: none"), 50.0) is Answer.NACK
    assert (stream.sidecar.answer, stream.sidecar.error) == (Answer.NACK, "weights: none")
    assert offered(stream, 2) is None
    sent = offered(stream, 3)
    assert sent is not None
    assert sent.nonce == "2"
    assert (stream.sidecar.answer, stream.sidecar.error) == (Answer.WAITING, "")


def test_an_answer_to_what_is_not_the_last_response_is_none() -> None:
    stream = subscribed()
    offered(stream, 1)
    offered(stream, 2)
    assert stream.take(said("1", 3, 1), 50.0) is Answer.NONE
    assert stream.sidecar.answer is Answer.WAITING
    assert stream.sidecar.in_force == (3, 1)
    assert stream.take(said("", 3, 1), 51.0) is Answer.NONE
    assert stream.take(said("2", 3, 2), 52.0) is Answer.ACK


def test_a_sidecar_of_a_higher_epoch_is_left_alone_and_shown() -> None:
    stream = subscribed(4, 1)
    assert offered(stream, 9) is None
    assert stream.sidecar.answer is Answer.NACK
    assert "store is older than the fleet" in stream.sidecar.error
    assert not stream.sidecar.runs((3, 9), EPOCH)


def test_a_refusal_is_one_line() -> None:
    stream = subscribed()
    offered(stream, 1)
    request = said("1", 0, 0, error="invalid service")
    request.error_detail.violations.add(field="routes[0].name", description="is required")
    stream.take(request, 50.0)
    assert stream.sidecar.error == "invalid service: routes[0].name: is required"


def test_a_later_version_of_our_own_epoch_is_none_of_ours() -> None:
    stream = subscribed(3, 9)
    assert offered(stream, 5) is None
    assert stream.sidecar.answer is Answer.NACK
    assert "runs version 9 of epoch 3, but this control service is at version 5" in stream.sidecar.error
    assert not stream.sidecar.runs((3, 5), EPOCH)
    assert offered(stream, 10) is not None
    stream.take(said("1", 3, 10), 50.0)
    assert stream.sidecar.runs((3, 10), EPOCH)
