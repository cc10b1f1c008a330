"""Whether a pushed snapshot is taken: a pure decision that becomes an ACK or a NACK.

Only what is lexicographically newer in (epoch, version) is applied; what is in force already is confirmed
again; anything older, for another service, or against a rule is refused whole.
"""

from understudy.checks import Violation
from understudy.v1 import discovery_pb2

from proxy.policy.table import Rejected, Table, compile_snapshot


class Refusal(Exception):
    """A snapshot that is not taken; carries what a NACK says."""

    def __init__(self, message: str, violations: list[Violation] | None = None) -> None:
        super().__init__(message)
        self.violations = violations or []

    def detail(self) -> discovery_pb2.ErrorDetail:
        """As it goes over the wire."""
        return discovery_pb2.ErrorDetail(
            message=str(self),
            violations=[
                discovery_pb2.FieldViolation(field=one.field, description=one.description)
                for one in self.violations
            ],
        )


def accept(snapshot: discovery_pb2.Snapshot, service: str, in_force: Table | None) -> Table | None:
    """The table to bring into force, or None where it is in force already; raises Refusal."""
    if snapshot.service.name != service:
        raise Refusal(f"snapshot is of service {snapshot.service.name!r}; this sidecar serves {service!r}")
    at = (snapshot.epoch, snapshot.version)
    if in_force is not None and at == in_force.at and at != (0, 0):
        return None
    if in_force is not None and at < in_force.at:
        held = f"epoch {in_force.epoch} version {in_force.version}"
        raise Refusal(f"stale: epoch {at[0]} version {at[1]} is older than {held}, which is in force")
    try:
        return compile_snapshot(snapshot)
    except Rejected as rejected:
        raise Refusal(str(rejected), rejected.violations) from None
