"""What a rollout does to its service: from the service as stored to the service in force.

The stored service is never edited while a rollout runs; what is in force is always derived from it, so that
going back is bringing the stored one into force again. On the rollout's route stable and candidate divide
the weight that both have together (the pool); other variants keep theirs. Routes other than the rollout's
stay as they are while it runs. With the promotion those follow that were all stable's and ask for no header
(health, metadata, anything else); one that a header matches, or that gives others a share, was made for a
reason and stays. So does an explicit `fallback`: it is a choice of the operator's, which no promotion makes
wrong (an empty one follows `stable`).
"""

from understudy.v1 import service_pb2

from control.rollout.evidence import to_duration
from control.rollout.model import Phase, Plan, Stage, State

DEFAULT_ROUTE_NAME = "predict"
"""What a route is called where nobody has said."""


def in_force(service: service_pb2.Service, plan: Plan, state: State) -> service_pb2.Service:
    """What must be in force while the rollout stands as it does; `service` is the one before it."""
    match state.phase:
        case Phase.PROGRESSING | Phase.PAUSED:
            return staged(service, plan, plan.stages[state.stage])
        case Phase.SUCCEEDED if plan.promotes:
            return promoted(service, plan)
        case Phase.PENDING | Phase.SUCCEEDED | Phase.ROLLED_BACK | Phase.ABORTED:
            return restored(service)


def staged(service: service_pb2.Service, plan: Plan, stage: Stage) -> service_pb2.Service:
    """The service with a stage's weights and mirror."""
    changed = restored(service)
    route = route_named(changed, plan.route)
    _divide(route, plan, stage.percent)
    _mirror(route, plan, stage.mirror_percent)
    return changed


def promoted(service: service_pb2.Service, plan: Plan) -> service_pb2.Service:
    """The service with the candidate as stable, with all of the pool."""
    changed = restored(service)
    changed.stable = plan.candidate
    route = route_named(changed, plan.route)
    _divide(route, plan, 100.0)
    _mirror(route, plan, 0.0)
    for other in changed.routes:
        if other.name != plan.route and is_open(other) and _only(other) == plan.stable:
            other.split.weights[plan.candidate] = other.split.weights[plan.stable]
            other.split.weights[plan.stable] = 0.0
            remove_mirror(other, plan.candidate)
    return changed


def restored(service: service_pb2.Service) -> service_pb2.Service:
    """The service as it was before the rollout: a copy of its own."""
    copy = service_pb2.Service()
    copy.CopyFrom(service)
    return copy


def stable_of(service: service_pb2.Service) -> str:
    """The stable variant, by name: the first variant where none is set."""
    return service.stable or (service.variants[0].name if service.variants else "")


def default_route(service: service_pb2.Service) -> str | None:
    """The last route with a split that is not header-matched; None where there is none."""
    names = [route.name for route in service.routes if is_open(route)]
    return names[-1] if names else None


def is_open(route: service_pb2.Route) -> bool:
    """The route has a split, and fits calls whatever their headers."""
    return bool(route.split.weights) and not route.match.headers


def route_named(service: service_pb2.Service, name: str) -> service_pb2.Route:
    for route in service.routes:
        if route.name == name:
            return route
    raise KeyError(name)


def pool_of(route: service_pb2.Route, stable: str, candidate: str) -> float:
    """The weight that stable and candidate have together."""
    weights = dict(route.split.weights)
    return weights.get(stable, 0.0) + weights.get(candidate, 0.0)


def _only(route: service_pb2.Route) -> str:
    """The variant that has all of a route's weight; empty where several share it."""
    fed = [name for name, weight in route.split.weights.items() if weight > 0]
    return fed[0] if len(fed) == 1 else ""


def remove_mirror(route: service_pb2.Route, variant: str) -> None:
    kept = [mirror for mirror in route.mirrors if variant not in (mirror.variant, mirror.noise_of)]
    del route.mirrors[:]
    route.mirrors.extend(kept)


def _divide(route: service_pb2.Route, plan: Plan, percent: float) -> None:
    pool = pool_of(route, plan.stable, plan.candidate)
    share = pool * percent / 100
    if share or plan.candidate in dict(route.split.weights):
        route.split.weights[plan.candidate] = share
    route.split.weights[plan.stable] = pool - share


def _mirror(route: service_pb2.Route, plan: Plan, percent: float) -> None:
    """The route's own mirror to the candidate, as the stage wants it; a new one where it has none."""
    if percent == 0:
        remove_mirror(route, plan.candidate)
        return
    own = [mirror for mirror in route.mirrors if mirror.variant == plan.candidate and not mirror.noise_of]
    mirror = own[0] if own else route.mirrors.add(variant=plan.candidate)
    mirror.percent = percent
    if plan.mirror_deadline is not None:
        mirror.deadline.CopyFrom(to_duration(plan.mirror_deadline))
    if plan.compare is not None:
        mirror.compare.CopyFrom(plan.compare)
