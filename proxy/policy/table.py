"""The routing table: a snapshot compiled to frozen data, or an error that becomes a NACK.

A call reads the table once and is decided by that one table to its end; a push swaps the reference.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from understudy.checks import Violation
from understudy.checks.fields import parse_field
from understudy.checks.numbers import seconds
from understudy.checks.service import STABLE, check_service
from understudy.checks.targets import parse_target
from understudy.v1 import discovery_pb2, service_pb2

from proxy.policy.matching import HeaderTest, Match, Metadata, Patterns, first_fit
from proxy.policy.protocols import model_of, names_model
from proxy.policy.splitting import Split
from proxy.policy.sticky import DEFAULT_MAX_BYTES, Sticky
from proxy.policy.tls import VariantTls, variant_tls
from proxy.policy.wire import Entry, Path

DEFAULT_MIRROR_DEADLINE = 1.0  # seconds
DEFAULT_MIRROR_IN_FLIGHT = 64
DEFAULT_MIRROR_BYTES = 64 * 1024 * 1024
DEFAULT_SAMPLE = 0.01  # of the matches
DEFAULT_STICKY_KEY = "x-user-id"


class Rejected(Exception):
    """A snapshot that breaks a rule; nothing of it is used."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(map(str, violations)))
        self.violations = violations


@dataclass(frozen=True, slots=True)
class Variant:
    """One deployed version of the model; `target` is as gRPC takes it."""

    name: str
    target: str
    version: str
    authority: str
    tls: VariantTls | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When two predictions count as equal; no `outputs` means all.

    Numbers within the absolute and relative bounds, or by `top_k` (1 is arg-max) or `decimals` in place of
    that. `per_output` holds the rule of single outputs, of which only these four count.
    """

    absolute: float = 0.0
    relative: float = 0.0
    outputs: frozenset[str] = frozenset()
    top_k: int = 0  # 0: not asked for
    decimals: int | None = None
    ignore_outputs: frozenset[str] = frozenset()
    ignore_parameters: frozenset[str] = frozenset()
    per_output: "Mapping[str, Tolerance]" = field(default_factory=dict)
    record_values: bool = False
    sample: float = 0.01  # of the matches, 0 to 1

    def rule(self, output: str) -> "Tolerance":
        """What holds for one output."""
        return self.per_output.get(output, self)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A shadow of a route. `share` is 0 to 1, `deadline` in seconds.

    With `noise_of`, a second copy of that variant: it gets only calls that this one served.
    """

    variant: Variant
    share: float
    deadline: float
    max_in_flight: int
    max_bytes: int
    tolerance: Tolerance
    noise_of: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Which calls, which split, which shadows; `timeout` in seconds."""

    name: str
    match: Match
    split: Split[Variant]
    sticky: Sticky
    mirrors: tuple[Mirror, ...]
    timeout: float | None
    mirror_bytes: int = -1  # that the largest of the mirrors may hold; -1: there is none


@dataclass(frozen=True, slots=True)
class Table:
    """One service's whole configuration, in force as one."""

    service: str
    epoch: int
    version: int
    variants: Mapping[str, Variant]
    stable: Variant
    fallback: Variant
    routes: tuple[Route, ...]
    rest: Route  # calls that fit no route
    reads_models: bool  # some route asks for a model's name
    latency_bounds: tuple[float, ...]  # seconds, rising
    snapshot: discovery_pb2.Snapshot
    rollout: str  # that made it, or empty

    @property
    def at(self) -> tuple[int, int]:
        """(epoch, version), compared lexicographically."""
        return self.epoch, self.version

    def needs_message(self, method: str, metadata: Metadata) -> bool:
        """Whether a call's first message has a say in its route or its variant."""
        for route in self.routes:
            if not route.match.may_fit(method, metadata):
                continue
            if route.match.models is None:
                sticky = route.sticky
                return sticky.reads_payload(method) and sticky.from_metadata(metadata) is None
            if names_model(method):
                return True
        return False

    def route_of(self, method: str, metadata: Metadata, message: bytes | None) -> Route:
        """The route that decides a call; `message` is its first, where `needs_message` says so."""
        model = model_of(method, message) if self.reads_models and message is not None else None
        return first_fit(self.routes, self.rest, method, metadata, model)


def compile_snapshot(snapshot: discovery_pb2.Snapshot) -> Table:
    """The table that a snapshot describes; raises Rejected with every rule it breaks."""
    service = snapshot.service
    violations = check_service(service, "service")
    violations += [
        Violation(f"latency_bounds[{index}]", "must be longer than 0s")
        for index, bound in enumerate(snapshot.latency_bounds)
        if seconds(bound) <= 0
    ]
    if violations:
        raise Rejected(violations)
    variants = {variant.name: _variant(variant) for variant in service.variants}
    stable = variants[service.stable or service.variants[0].name]
    fallback = variants[service.fallback or stable.name]
    salt = f"{service.name}/{snapshot.rollout}"
    return Table(
        service=service.name,
        epoch=snapshot.epoch,
        version=snapshot.version,
        variants=variants,
        stable=stable,
        fallback=fallback,
        routes=tuple(_route(route, variants, stable, salt) for route in service.routes),
        rest=Route("", Match(), Split.of({fallback: 1.0}, salt), Sticky(), (), None),
        reads_models=any(route.match.models for route in service.routes),
        latency_bounds=tuple(sorted({seconds(bound) for bound in snapshot.latency_bounds})),
        snapshot=snapshot,
        rollout=snapshot.rollout,
    )


def static_snapshot(service: service_pb2.Service) -> discovery_pb2.Snapshot:
    """A file's service as a snapshot: older than anything a control service sends."""
    return discovery_pb2.Snapshot(epoch=0, version=0, service=service)


def _variant(variant: service_pb2.Variant) -> Variant:
    target = parse_target(variant.target).text
    return Variant(variant.name, target, variant.version, variant.authority, variant_tls(variant))


def _route(route: service_pb2.Route, variants: Mapping[str, Variant], stable: Variant, salt: str) -> Route:
    sticky = route.split.sticky
    weights = {variants[name]: weight for name, weight in route.split.weights.items()}
    metadata = tuple(key.lower() for key in sticky.metadata)
    if not metadata and not sticky.payload and not sticky.payload_fields:
        metadata = (DEFAULT_STICKY_KEY,)
    mirrors = tuple(_mirror(mirror, variants, stable) for mirror in route.mirrors if mirror.percent > 0)
    return Route(
        name=route.name,
        match=_match(route.match),
        split=Split.of(weights, sticky.salt or salt),
        sticky=Sticky(
            metadata,
            sticky.payload,
            sticky.max_bytes or DEFAULT_MAX_BYTES,
            tuple(_path(field) for field in sticky.payload_fields),
        ),
        mirrors=mirrors,
        timeout=seconds(route.timeout) if route.HasField("timeout") else None,
        mirror_bytes=max((mirror.max_bytes for mirror in mirrors), default=-1),
    )


def _path(field: str) -> Path:
    return tuple(
        step.number if step.key is None else Entry(step.number, step.key.encode())
        for step in parse_field(field)
    )


def _match(match: service_pb2.Match) -> Match:
    exact, prefixes = _patterns(match.methods)
    headers = tuple(_header(header) for header in match.headers)
    models = Patterns(*_patterns(match.models)) if match.models else None
    return Match(exact, prefixes, headers, models)


def _patterns(patterns: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Whole names, and the prefixes that end in `*`."""
    prefixes = tuple(pattern[:-1] for pattern in patterns if pattern.endswith("*"))
    return frozenset(pattern for pattern in patterns if not pattern.endswith("*")), prefixes


def _header(header: service_pb2.HeaderMatch) -> HeaderTest:
    key = header.name.lower()
    match header.WhichOneof("test"):
        case "exact":
            return HeaderTest(key, re.compile(re.escape(header.exact)))
        case "prefix":
            return HeaderTest(key, re.compile(re.escape(header.prefix) + ".*", re.DOTALL))
        case "regex":
            return HeaderTest(key, re.compile(header.regex))
        case _:
            return HeaderTest(key, None, present=header.present)


def _mirror(mirror: service_pb2.Mirror, variants: Mapping[str, Variant], stable: Variant) -> Mirror:
    noise_of = mirror.noise_of
    if noise_of == STABLE and STABLE not in variants:
        noise_of = stable.name
    return Mirror(
        variant=variants[mirror.variant or noise_of],
        share=mirror.percent / 100,
        deadline=seconds(mirror.deadline) if mirror.HasField("deadline") else DEFAULT_MIRROR_DEADLINE,
        max_in_flight=mirror.max_in_flight if mirror.HasField("max_in_flight") else DEFAULT_MIRROR_IN_FLIGHT,
        max_bytes=mirror.max_bytes if mirror.HasField("max_bytes") else DEFAULT_MIRROR_BYTES,
        tolerance=_tolerance(mirror.compare),
        noise_of=noise_of,
    )


def _tolerance(compare: service_pb2.Compare) -> Tolerance:
    return Tolerance(
        compare.absolute,
        compare.relative,
        frozenset(compare.outputs),
        *_rule(compare),
        ignore_outputs=frozenset(compare.ignore_outputs),
        ignore_parameters=frozenset(compare.ignore_parameters),
        per_output={
            output.name: Tolerance(output.absolute, output.relative, frozenset(), *_rule(output))
            for output in compare.per_output
        },
        record_values=compare.record_values,
        sample=compare.sample_percent / 100 if compare.HasField("sample_percent") else DEFAULT_SAMPLE,
    )


def _rule(rule: service_pb2.Compare | service_pb2.CompareOutput) -> tuple[int, int | None]:
    return 1 if rule.arg_max else rule.top_k, rule.decimals if rule.HasField("decimals") else None
