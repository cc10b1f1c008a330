"""A sidecar's file with its defaults filled in: frozen, made once at the edge."""

import pathlib
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration
from understudy.checks.numbers import seconds
from understudy.v1 import service_pb2, sidecar_pb2

from proxy.policy.tls import Files, listen_files
from proxy.workers.place import ONLY, Place

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """What a sidecar process is started with. Times in seconds."""

    listen: str
    admin: str
    status: str
    engine: str
    control: str
    subscribe: str
    state_dir: pathlib.Path | None
    node: str
    in_flight: int
    in_flight_per_variant: int
    mirror_bytes: int
    mismatches: int
    tracing_ratio: float
    trusted_peers: tuple[str, ...]
    drain_timeout: float
    drain_delay: float
    report_interval: float
    reuse_port: bool
    max_connection_age: float | None
    service: service_pb2.Service | None
    tls: Files | None = None  # of the data port
    place: Place = ONLY
    ticket_secret: bytes = field(default=b"", repr=False)


def settings_of(sidecar: sidecar_pb2.Sidecar, hostname: str, ticket_secret: bytes = b"") -> Settings:
    """The settings that a checked file means on this host; tickets are signed where there is a secret."""
    limits = sidecar.limits
    return Settings(
        listen=sidecar.listen or "0.0.0.0:7070",
        admin=sidecar.admin or "127.0.0.1:7071",
        status=sidecar.status or "0.0.0.0:7072",
        engine=sidecar.engine or "grpc-aio",
        control=sidecar.control,
        subscribe=sidecar.subscribe,
        state_dir=pathlib.Path(sidecar.state_dir) if sidecar.state_dir else None,
        node=sidecar.node or hostname,
        in_flight=limits.in_flight if limits.HasField("in_flight") else 1024,
        in_flight_per_variant=(
            limits.in_flight_per_variant if limits.HasField("in_flight_per_variant") else 1024
        ),
        mirror_bytes=limits.mirror_bytes if limits.HasField("mirror_bytes") else 256 * MIB,
        mismatches=limits.mismatches if limits.HasField("mismatches") else 200,
        tracing_ratio=sidecar.tracing.ratio if sidecar.tracing.HasField("ratio") else 0.01,
        trusted_peers=tuple(sidecar.trusted_peers),
        drain_timeout=_seconds(sidecar, "drain_timeout", 30.0),
        drain_delay=_seconds(sidecar, "drain_delay", 0.0),
        report_interval=_seconds(sidecar, "report_interval", 1.0),
        reuse_port=sidecar.reuse_port,
        max_connection_age=(
            seconds(sidecar.max_connection_age) if sidecar.HasField("max_connection_age") else None
        ),
        service=sidecar.service if sidecar.HasField("service") else None,
        tls=listen_files(sidecar.tls) if sidecar.HasField("tls") else None,
        ticket_secret=ticket_secret,
    )


def _seconds(sidecar: sidecar_pb2.Sidecar, field: str, default: float) -> float:
    value: Duration = getattr(sidecar, field)
    return seconds(value) if sidecar.HasField(field) else default  # type: ignore[arg-type]  # names of fields
