"""Blue/green by hand: a version into the idle slot, and all traffic from one slot to the other at once.

The active slot is the service's stable variant. Header-matched routes are left alone: who asks for a variant
by a header means that variant. Whether a slot's model server is alive is not known here; the caller asks
that first.
"""

from understudy.v1 import service_pb2

from control.rollout.decisions import Refused
from control.rollout.traffic import is_open, remove_mirror, restored, stable_of


def deployed(
    service: service_pb2.Service, variant: service_pb2.Variant, mirror_percent: float = 0.0
) -> service_pb2.Service | Refused:
    """The service with `variant` in it, without traffic, warmed by copies where that is asked for.

    Of a variant that is there already, empty fields keep what they are. The result is yet to be checked.
    """
    if variant.name == stable_of(service):
        return Refused(f"{variant.name} is the active slot; deploy into the idle one")
    changed = restored(service)
    for route in filter(is_open, changed.routes):
        if dict(route.split.weights).get(variant.name, 0.0) > 0:
            return Refused(f"{variant.name} is not idle: it takes traffic on route {route.name!r}")
    there = [each for each in changed.variants if each.name == variant.name]
    if not there and not variant.target:
        return Refused(f"{variant.name} is not in service {service.name!r} yet: a target is required")
    slot = there[0] if there else changed.variants.add()
    slot.MergeFrom(variant)
    for route in filter(is_open, changed.routes):
        _warm(route, variant.name, mirror_percent)
    return changed


def switched(service: service_pb2.Service, variant: str) -> service_pb2.Service | Refused:
    """The service with all weight of the active slot on `variant`, which becomes the active one."""
    active = stable_of(service)
    if variant not in [each.name for each in service.variants]:
        return Refused(f"slot {variant!r} is empty: deploy a version into it first")
    if variant == active:
        return Refused(f"{variant} is the active slot already")
    changed = restored(service)
    changed.stable = variant
    for route in filter(is_open, changed.routes):
        weights = dict(route.split.weights)
        if active in weights:
            route.split.weights[variant] = weights.get(variant, 0.0) + weights[active]
            route.split.weights[active] = 0.0
        remove_mirror(route, variant)
    return changed


def retired(service: service_pb2.Service, variant: str) -> service_pb2.Service | Refused:
    """The service without a variant that nothing points to any more: what `keep_old` ends in."""
    if variant in (stable_of(service), service.fallback):
        return Refused(f"{variant} is the service's stable or fallback variant")
    changed = restored(service)
    for route in changed.routes:
        if dict(route.split.weights).get(variant, 0.0) > 0:
            return Refused(f"{variant} takes traffic on route {route.name!r}")
        route.split.weights.pop(variant, None)
        remove_mirror(route, variant)
    kept = [each for each in changed.variants if each.name != variant]
    del changed.variants[:]
    changed.variants.extend(kept)
    return changed


def _warm(route: service_pb2.Route, variant: str, percent: float) -> None:
    own = [mirror for mirror in route.mirrors if mirror.variant == variant]
    if percent == 0:
        remove_mirror(route, variant)
        return
    mirror = own[0] if own else route.mirrors.add(variant=variant)
    mirror.percent = percent
