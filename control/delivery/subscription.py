"""The rules of one config stream, without the stream.

A snapshot is sent when it is newer than what the sidecar runs and was not sent on this stream before: so a
snapshot that was refused is not sent in a loop. An answer counts for the response whose nonce it quotes, and
only if nothing was sent since. A sidecar that runs what is newer than all this process has, whose store must
then be older than the fleet (a backup's), is sent nothing and confirms nothing (`leadership.py`).
"""

from understudy.v1 import discovery_pb2

from control.delivery.fleet import Answer, Sidecar, Snapshot


class Subscription:
    """One stream of one sidecar."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self._sent: Snapshot = (0, 0)
        self._nonce = 0

    def __repr__(self) -> str:
        return f"<Subscription {self.sidecar.service}/{self.sidecar.node} nonce {self._nonce}>"

    def look(self, newest: Snapshot) -> None:
        """Hold what the sidecar runs against the newest that there is here."""
        self.sidecar.is_ahead = newest < self.sidecar.in_force
        if self.sidecar.is_ahead:
            self._refuse_to_lead(newest)

    def offer(self, snapshot: discovery_pb2.Snapshot) -> discovery_pb2.SubscribeResponse | None:
        """What is to be sent now, if anything; for one that is led from here."""
        offered = (snapshot.epoch, snapshot.version)
        if offered == self.sidecar.in_force and self._sent < offered:
            self.sidecar.answer, self.sidecar.sent = Answer.ACK, offered  # it came with it
        if offered <= max(self.sidecar.in_force, self._sent):
            return None
        self._nonce += 1
        self._sent = offered
        self.sidecar.sent, self.sidecar.answer, self.sidecar.error = offered, Answer.WAITING, ""
        return discovery_pb2.SubscribeResponse(snapshot=snapshot, nonce=str(self._nonce))

    def take(self, request: discovery_pb2.SubscribeRequest, now: float) -> Answer:
        """What the sidecar says; NONE where it is of something older than was sent last."""
        self.sidecar.in_force = (request.epoch, request.version)
        if self._nonce == 0 or request.nonce != str(self._nonce):
            return Answer.NONE
        self.sidecar.answered_at = now
        if request.HasField("error_detail"):
            self.sidecar.answer = Answer.NACK
            self.sidecar.error = _one_line(request.error_detail)
        else:
            self.sidecar.answer, self.sidecar.error = Answer.ACK, ""
        return self.sidecar.answer

    def _refuse_to_lead(self, newest: Snapshot) -> None:
        epoch, version = self.sidecar.in_force
        self.sidecar.answer = Answer.NACK
        self.sidecar.error = (
            f"runs version {version} of epoch {epoch}, but this control service is at version {newest[1]} of "
            f"epoch {newest[0]}: its store is older than the fleet"
        )


def _one_line(detail: discovery_pb2.ErrorDetail) -> str:
    fields = "; ".join(f"{found.field}: {found.description}" for found in detail.violations)
    if not fields or all(found.description in detail.message for found in detail.violations):
        return detail.message or "refused without a reason"
    return f"{detail.message}: {fields}" if detail.message else fields
