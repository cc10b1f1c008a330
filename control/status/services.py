"""One service as operators see it: what is in force, its slots, and the last minute of its variants."""

from collections.abc import Mapping, Sequence

from understudy.v1 import services_pb2

from control.delivery.fleet import Sidecar
from control.delivery.recent import Recent
from control.rollout.traffic import stable_of
from control.store.services import StoredService
from control.times import to_timestamp


def service_status(
    stored: StoredService,
    deployed_at: Mapping[str, float],
    sidecars: Sequence[Sidecar],
    recent: Recent,
    epoch: int,
    now: float,
) -> services_pb2.ServiceStatus:
    """`sidecars` are those connected; `now` is of the clock that never jumps."""
    return services_pb2.ServiceStatus(
        service=stored.in_force,
        epoch=epoch,
        version=stored.version,
        rollout=stored.rollout,
        slots=_slots(stored, deployed_at),
        variants=[
            _variant(stored.name, variant.name, sidecars, recent, now) for variant in stored.in_force.variants
        ],
        updated_at=to_timestamp(stored.updated_at),
    )


def _slots(stored: StoredService, deployed_at: Mapping[str, float]) -> services_pb2.SlotStatus:
    active = stable_of(stored.in_force)
    return services_pb2.SlotStatus(
        active_slot=active,
        slots={
            variant.name: services_pb2.Slot(
                model_name=stored.name,
                model_version=variant.version,
                deployed_at=to_timestamp(deployed_at.get(variant.name, stored.updated_at)),
                is_active=variant.name == active,
            )
            for variant in stored.in_force.variants
        },
    )


def _variant(
    service: str, name: str, sidecars: Sequence[Sidecar], recent: Recent, now: float
) -> services_pb2.VariantStatus:
    seen = [sidecar.health[name][0] for sidecar in sidecars if name in sidecar.health]
    live, mirrored, match_rate = recent.variant(service, name, now)
    return services_pb2.VariantStatus(
        name=name,
        live_at=sum(seen),
        seen_by=len(seen),
        live=live,
        mirrored=mirrored,
        match_rate=match_rate,
    )
