"""The rules of a sidecar's file."""

import ipaddress

from understudy.checks.names import check_choice, check_name
from understudy.checks.numbers import check_duration, check_positive_duration, check_range
from understudy.checks.service import check_service
from understudy.checks.targets import check_listen, check_target
from understudy.checks.tls import check_listen_tls
from understudy.checks.violation import Violation, join
from understudy.v1 import sidecar_pb2

ENGINES = ("grpc-aio", "relay")
MOST_WORKERS = 64


def check_sidecar(sidecar: sidecar_pb2.Sidecar, path: str = "") -> list[Violation]:
    """Everything that is wrong with a sidecar's configuration."""
    violations = []
    for field in ("listen", "admin", "status"):
        if getattr(sidecar, field):
            violations += check_listen(getattr(sidecar, field), join(path, field), unix=field == "listen")
    if sidecar.reuse_port and sidecar.listen.startswith("unix:"):
        text = f"is for ports, and listen is {sidecar.listen!r}"
        violations.append(Violation(join(path, "reuse_port"), text))
    if sidecar.HasField("tls"):
        violations += check_listen_tls(sidecar.tls, join(path, "tls"))
    violations += check_choice(sidecar.engine, ENGINES, join(path, "engine"))
    violations += _check_source(sidecar, path)
    violations += _check_limits(sidecar, path)
    violations += _check_workers(sidecar, path)
    violations += check_range(sidecar.tracing.ratio, 0, 1, join(path, "tracing.ratio"))
    for field in ("drain_timeout", "report_interval", "max_connection_age"):
        violations += check_positive_duration(sidecar, field, path)
    violations += check_duration(sidecar, "drain_delay", path)
    for index, peer in enumerate(sidecar.trusted_peers):
        try:
            ipaddress.ip_network(peer)
        except ValueError:
            text = f"must be an IP address or network such as 10.0.0.0/8, got {peer!r}"
            violations.append(Violation(join(path, f"trusted_peers[{index}]"), text))
    return violations


def _check_source(sidecar: sidecar_pb2.Sidecar, path: str) -> list[Violation]:
    """A service comes from the file, from the control service, or from both in that order."""
    violations = []
    if sidecar.HasField("service"):
        violations += check_service(sidecar.service, join(path, "service"))
    if sidecar.control:
        violations += check_target(sidecar.control, join(path, "control"))
        violations += check_name(sidecar.subscribe, join(path, "subscribe"))
    elif sidecar.subscribe:
        violations.append(Violation(join(path, "control"), "is required where subscribe is set"))
    elif not sidecar.HasField("service"):
        text = "is required: a service to serve, or control and subscribe to get one from there"
        violations.append(Violation(join(path, "service"), text))
    if sidecar.control and sidecar.HasField("service") and sidecar.subscribe != sidecar.service.name:
        text = f"must be the service block's name, {sidecar.service.name!r}, got {sidecar.subscribe!r}"
        violations.append(Violation(join(path, "subscribe"), text))
    return violations


def _check_limits(sidecar: sidecar_pb2.Sidecar, path: str) -> list[Violation]:
    return [
        Violation(join(path, f"limits.{field}"), "must be above 0")
        for field in ("in_flight", "in_flight_per_variant")
        if sidecar.limits.HasField(field) and getattr(sidecar.limits, field) == 0
    ]


def _check_workers(sidecar: sidecar_pb2.Sidecar, path: str) -> list[Violation]:
    if sidecar.workers > MOST_WORKERS:
        return [Violation(join(path, "workers"), f"must be from 0 to {MOST_WORKERS}, got {sidecar.workers}")]
    if sidecar.workers > 1 and sidecar.listen.startswith("unix:"):
        text = f"must be 1 where listen is no port, got {sidecar.workers} and {sidecar.listen!r}"
        return [Violation(join(path, "workers"), text)]
    return []
