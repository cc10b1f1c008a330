"""The rules of a service: its variants, routes, splits and mirrors."""

import re

from understudy.checks.compare import check_compare
from understudy.checks.fields import check_field
from understudy.checks.names import check_metadata_key, check_method, check_model, check_name, check_unique
from understudy.checks.numbers import check_positive_duration, check_range
from understudy.checks.targets import check_target
from understudy.checks.tls import check_variant_tls
from understudy.checks.violation import Violation, join
from understudy.v1 import service_pb2

MAX_STICKY_BYTES = 64 * 1024 * 1024
INFINITY = float("inf")
STABLE = "stable"  # the role, where `noise_of` names one


def check_service(service: service_pb2.Service, path: str = "") -> list[Violation]:
    """Everything that is wrong with a service; `path` is where it stands in a larger message."""
    names = [variant.name for variant in service.variants]
    violations = check_name(service.name, join(path, "name"))
    if not names:
        violations.append(Violation(join(path, "variants"), "must have at least one variant"))
    for index, variant in enumerate(service.variants):
        violations += _check_variant(variant, join(path, f"variants[{index}]"))
    violations += check_unique(names, join(path, "variants"), "name")
    for role in ("stable", "fallback"):
        violations += _check_known(getattr(service, role), names, join(path, role), optional=True)
    for index, route in enumerate(service.routes):
        violations += _check_route(route, names, join(path, f"routes[{index}]"))
    return violations + check_unique([route.name for route in service.routes], join(path, "routes"), "name")


def _check_variant(variant: service_pb2.Variant, path: str) -> list[Violation]:
    violations = check_name(variant.name, join(path, "name"))
    violations += check_target(variant.target, join(path, "target"))
    for field in ("version", "authority"):
        value = getattr(variant, field)
        if len(value) > 253 or not value.isprintable() or not value.isascii():
            violations.append(Violation(join(path, field), "must be at most 253 printable ASCII characters"))
    return violations + check_variant_tls(variant, join(path, "tls"))


def _check_known(name: str, known: list[str], path: str, *, optional: bool = False) -> list[Violation]:
    if name in known or (optional and not name):
        return []
    if not name:
        return [Violation(path, "is required")]
    there = ", ".join(known) or "none"
    return [Violation(path, f"no variant is called {name!r}; there are: {there}")]


def _check_route(route: service_pb2.Route, variants: list[str], path: str) -> list[Violation]:
    violations = check_name(route.name, join(path, "name"))
    violations += _check_match(route.match, join(path, "match"))
    violations += _check_split(route, variants, join(path, "split"))
    for index, mirror in enumerate(route.mirrors):
        violations += _check_mirror(mirror, route, variants, join(path, f"mirrors[{index}]"))
    shadows = [_who(mirror) for mirror in route.mirrors]
    violations += check_unique(shadows, join(path, "mirrors"), "variant")
    return violations + check_positive_duration(route, "timeout", path)


def _who(mirror: service_pb2.Mirror) -> str:
    """A route has one mirror to each shadow, and one for the noise of each variant."""
    return f"noise of {mirror.noise_of}" if mirror.noise_of else mirror.variant


def _check_match(match: service_pb2.Match, path: str) -> list[Violation]:
    violations = []
    for index, method in enumerate(match.methods):
        violations += check_method(method, join(path, f"methods[{index}]"))
    for index, header in enumerate(match.headers):
        violations += _check_header(header, join(path, f"headers[{index}]"))
    for index, model in enumerate(match.models):
        violations += check_model(model, join(path, f"models[{index}]"))
    return violations


def _check_header(header: service_pb2.HeaderMatch, path: str) -> list[Violation]:
    violations = check_metadata_key(header.name, join(path, "name"))
    match header.WhichOneof("test"):
        case None:
            violations.append(Violation(path, "must have one of exact, prefix, regex or present"))
        case "regex":
            try:
                re.compile(header.regex)
            except (re.error, OverflowError, RecursionError) as error:
                text = f"must be a regular expression: {error}, got {header.regex!r}"
                violations.append(Violation(join(path, "regex"), text))
        case "prefix" if not header.prefix:
            violations.append(Violation(join(path, "prefix"), "must not be empty; use present: true"))
        case _:
            pass
    return violations


def _check_split(route: service_pb2.Route, variants: list[str], path: str) -> list[Violation]:
    weights = route.split.weights
    if not route.HasField("split") or not weights:
        return [Violation(join(path, "weights"), "is required: a weight for at least one variant")]
    violations = []
    for name in sorted(weights):
        field = join(path, f"weights.{name}")
        violations += _check_known(name, variants, field)
        violations += check_range(weights[name], 0, INFINITY, field)
    if not violations and sum(weights.values()) <= 0:
        violations.append(Violation(join(path, "weights"), "must not all be 0: the route would serve nobody"))
    if not violations and sum(weights.values()) == INFINITY:
        violations.append(Violation(join(path, "weights"), "must add up to a finite number"))
    return violations + _check_sticky(route.split.sticky, join(path, "sticky"))


def _check_sticky(sticky: service_pb2.Sticky, path: str) -> list[Violation]:
    violations = []
    for index, key in enumerate(sticky.metadata):
        violations += check_metadata_key(key, join(path, f"metadata[{index}]"))
    for index, field in enumerate(sticky.payload_fields):
        violations += check_field(field, join(path, f"payload_fields[{index}]"))
    violations += check_unique(list(sticky.payload_fields), join(path, "payload_fields"))
    if sticky.max_bytes > MAX_STICKY_BYTES:
        violations.append(Violation(join(path, "max_bytes"), "must be at most 64MiB"))
    return violations


def _check_mirror(
    mirror: service_pb2.Mirror, route: service_pb2.Route, variants: list[str], path: str
) -> list[Violation]:
    is_noise = bool(mirror.noise_of)
    violations = _check_known(mirror.variant, variants, join(path, "variant"), optional=is_noise)
    if mirror.noise_of != STABLE:
        violations += _check_known(mirror.noise_of, variants, join(path, "noise_of"), optional=True)
    # One that breaks a rule was meant to serve, too: it is told once, where it stands.
    serving = [name for name, weight in route.split.weights.items() if weight != 0]
    if serving == [mirror.variant] and not is_noise:
        text = f"{mirror.variant!r} is the only variant that serves this route; a copy to it shows nothing"
        violations.append(Violation(join(path, "variant"), text))
    if not mirror.HasField("percent"):
        violations.append(
            Violation(join(path, "percent"), "is required: the share of calls to copy, 0 to 100")
        )
    violations += check_range(mirror.percent, 0, 100, join(path, "percent"))
    violations += check_positive_duration(mirror, "deadline", path)
    for field in ("max_in_flight", "max_bytes"):
        if mirror.HasField(field) and getattr(mirror, field) == 0:
            violations.append(Violation(join(path, field), "must be above 0; percent: 0 turns a mirror off"))
    return violations + check_compare(mirror.compare, join(path, "compare"))
