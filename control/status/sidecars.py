"""One sidecar as operators see it."""

from understudy.v1 import services_pb2

from control.delivery.fleet import Sidecar
from control.times import to_timestamp


def sidecar_status(sidecar: Sidecar) -> services_pb2.SidecarStatus:
    status = services_pb2.SidecarStatus(
        node=sidecar.node,
        boot_id=sidecar.boot_id,
        service=sidecar.service,
        connected=sidecar.connected,
        epoch=sidecar.in_force[0],
        version=sidecar.in_force[1],
        sent_epoch=sidecar.sent[0],
        sent_version=sidecar.sent[1],
        answer=sidecar.answer,
        error=sidecar.error,
        connected_at=to_timestamp(sidecar.connected_at),
    )
    if sidecar.answered_at is not None:
        status.answered_at.CopyFrom(to_timestamp(sidecar.answered_at))
    if sidecar.reported_at is not None:
        status.reported_at.CopyFrom(to_timestamp(sidecar.reported_at))
    return status
