"""From a rollout as its user wrote it to the plan that is carried out, or what is wrong with it.

`check_rollout` says everything that is wrong at once, each with its place in the file; without a service it
leaves out what only the service can tell. `compile_rollout` raises InvalidRollout where that says anything,
so a plan that exists keeps the rules. Every stage's traffic is tried on the service here, so that no stage
makes a configuration that sidecars would refuse half way through a rollout.
"""

from collections.abc import Sequence

from understudy.checks import Violation, join
from understudy.checks.compare import check_compare
from understudy.checks.control import check_notify
from understudy.checks.names import STATUS_CODES, check_choice, check_name, check_unique
from understudy.checks.numbers import check_duration, check_positive_duration
from understudy.checks.service import check_service
from understudy.v1 import rollout_pb2, service_pb2

from control.external.checks import check_metrics
from control.rollout.compiling import external_names, plan_of
from control.rollout.drafts import Draft, drafts_of
from control.rollout.model import (
    ON_FAIL,
    ON_INCONCLUSIVE,
    Advance,
    Gate,
    Plan,
)
from control.rollout.stages import check_drafts
from control.rollout.traffic import default_route, pool_of, promoted, route_named, stable_of, staged

GATES = tuple(Gate)


class InvalidRollout(Exception):
    """A rollout that breaks rules: all of them."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(str(violation) for violation in violations))
        self.violations = tuple(violations)


def compile_rollout(rollout: rollout_pb2.Rollout, service: service_pb2.Service, name: str) -> Plan:
    """The rollout's plan on this service, as `name`; InvalidRollout where it breaks a rule."""
    violations = check_rollout(rollout, service)
    if violations:
        raise InvalidRollout(violations)
    return plan_of(rollout, service, name)


def check_rollout(
    rollout: rollout_pb2.Rollout, service: service_pb2.Service | None = None, path: str = ""
) -> list[Violation]:
    """Everything that is wrong with a rollout; `path` is where it stands in a larger message."""
    violations = _check_fields(rollout, path)
    drafts, found = drafts_of(rollout, path)
    violations += found
    gate = Gate(rollout.gate) if rollout.gate in GATES else Gate.SEQUENTIAL
    violations += check_drafts(drafts, gate, external_names(rollout))
    sentences = [sentence for draft in drafts for sentence in draft.require]
    violations += check_metrics(rollout.metrics, sentences, join(path, "metrics"))
    if service is not None:
        on_service = _check_service(rollout, service, path)
        if not violations and not on_service:
            on_service = _check_traffic(rollout, service, drafts, path)
        violations += on_service
    return violations


def _check_fields(rollout: rollout_pb2.Rollout, path: str) -> list[Violation]:
    violations = check_name(rollout.name, join(path, "name")) if rollout.name else []
    violations += check_name(rollout.service, join(path, "service"))
    violations += check_name(rollout.candidate, join(path, "candidate"))
    violations += check_name(rollout.route, join(path, "route")) if rollout.route else []
    violations += check_choice(rollout.on_fail, ON_FAIL, join(path, "on_fail"))
    violations += check_choice(rollout.on_inconclusive, ON_INCONCLUSIVE, join(path, "on_inconclusive"))
    violations += check_choice(rollout.sample_ratio, ("pause", "ignore"), join(path, "sample_ratio"))
    violations += check_choice(rollout.gate, GATES, join(path, "gate"))
    violations += check_choice(rollout.advance, tuple(Advance), join(path, "advance"))
    violations += _check_chances(rollout, path)
    if rollout.HasField("min_calls") and rollout.min_calls == 0:
        text = "must be at least 1: no data never advances a stage"
        violations.append(Violation(join(path, "min_calls"), text))
    for index, code in enumerate(rollout.error_codes):
        violations += _check_error_code(code, join(path, f"error_codes[{index}]"))
    violations += check_unique(list(rollout.error_codes), join(path, "error_codes"))
    for index, notify in enumerate(rollout.notify):
        violations += check_notify(notify, join(path, f"notify[{index}]"))
    violations += check_compare(rollout.compare, join(path, "compare"))
    return violations + check_positive_duration(rollout, "mirror_deadline", path)


def _check_chances(rollout: rollout_pb2.Rollout, path: str) -> list[Violation]:
    """What belongs to one gate only is no setting of the other."""
    violations = check_duration(rollout, "warmup", path)
    if rollout.HasField("alpha") and not 0 < rollout.alpha <= 0.5:
        text = f"must be above 0 and at most 50%, got {rollout.alpha:g}"
        violations.append(Violation(join(path, "alpha"), text))
    if rollout.gate == Gate.THRESHOLD:
        for field in ("alpha", "advance"):
            if field in {each.name for each, _ in rollout.ListFields()}:
                text = "says something to `gate: sequential` only: leave one of the two out"
                violations.append(Violation(join(path, field), text))
    return violations


def _check_error_code(code: str, path: str) -> list[Violation]:
    if code == "OK":
        return [Violation(path, "must be a status code of failed calls, got 'OK'")]
    if code == "CANCELLED":
        text = "must not be CANCELLED: a caller's cancellation before its deadline leaves the count"
        return [Violation(path, text)]
    return [] if code in STATUS_CODES else [Violation(path, f"no gRPC status code is called {code!r}")]


def _check_service(rollout: rollout_pb2.Rollout, service: service_pb2.Service, path: str) -> list[Violation]:
    """What only the service can tell."""
    if rollout.service and rollout.service != service.name:
        text = f"must be the service's name, {service.name!r}, got {rollout.service!r}"
        return [Violation(join(path, "service"), text)]
    names = [variant.name for variant in service.variants]
    stable = stable_of(service)
    violations = []
    if rollout.candidate and rollout.candidate not in names:
        text = f"no variant is called {rollout.candidate!r}; there are: {', '.join(names)}"
        violations.append(Violation(join(path, "candidate"), text))
    elif rollout.candidate == stable:
        text = f"{stable!r} is the service's stable variant already"
        violations.append(Violation(join(path, "candidate"), text))
    return violations + _check_route(rollout, service, join(path, "route"))


def _check_route(rollout: rollout_pb2.Rollout, service: service_pb2.Service, path: str) -> list[Violation]:
    name = rollout.route or default_route(service)
    names = [route.name for route in service.routes]
    if name is None:
        text = "is required: the service has no split route that is not header-matched"
        return [Violation(path, text)]
    if name not in names:
        text = f"no route is called {name!r}; there are: {', '.join(names) or 'none'}"
        return [Violation(path, text)]
    stable = stable_of(service)
    if pool_of(route_named(service, name), stable, rollout.candidate) <= 0:
        text = f"route {name!r} gives {stable} and {rollout.candidate} no weight to divide between them"
        return [Violation(path, text)]
    return []


def _check_traffic(
    rollout: rollout_pb2.Rollout, service: service_pb2.Service, drafts: Sequence[Draft], path: str
) -> list[Violation]:
    """Each stage's traffic keeps the rules of a service, as far as the stored one does."""
    plan = plan_of(rollout, service, rollout.name)
    known = set(check_service(service))
    violations = []
    for draft, stage in zip(drafts, plan.stages, strict=True):
        for found in check_service(staged(service, plan, stage)):
            if found not in known:
                text = f"stage {stage.name!r} would break the service: {found}"
                violations.append(Violation(draft.path, text))
    if plan.promotes:
        broken = [found for found in check_service(promoted(service, plan)) if found not in known]
        text = "promoting would break the service: "
        violations += [Violation(join(path, "candidate"), f"{text}{found}") for found in broken]
    return list(dict.fromkeys(violations))
