import dataclasses
import pathlib
from collections.abc import Iterable

import pytest
from google.protobuf.duration_pb2 import Duration
from understudy.checks.sidecar import check_sidecar
from understudy.v1.service_pb2 import Service, Variant
from understudy.v1.sidecar_pb2 import Limits, Sidecar, Tracing

from proxy.settings import Settings, settings_of

SERVICE = Service(name="fraud", variants=[Variant(name="v1", target="a:1")])


def shown(settings: Settings, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(settings, name) for name in names}


def test_a_file_that_says_nothing_has_the_defaults():
    expected = {
        "listen": "0.0.0.0:7070",
        "admin": "127.0.0.1:7071",
        "status": "0.0.0.0:7072",
        "engine": "grpc-aio",
        "control": "",
        "subscribe": "",
        "state_dir": None,
        "node": "pod-a",
        "in_flight": 1024,
        "in_flight_per_variant": 1024,
        "mirror_bytes": 256 * 1024 * 1024,
        "tracing_ratio": 0.01,
        "trusted_peers": (),
        "drain_timeout": 30.0,
        "drain_delay": 0.0,
        "report_interval": 1.0,
        "reuse_port": False,
        "max_connection_age": None,
        "service": None,
    }
    assert shown(settings_of(Sidecar(), "pod-a"), expected) == expected


def test_what_the_file_says_stands():
    sidecar = Sidecar(
        listen="127.0.0.1:3",
        admin="127.0.0.1:1",
        status="127.0.0.1:2",
        engine="grpc-aio",
        control="control:7080",
        subscribe="fraud",
        state_dir="/var/lib/understudy",
        node="n",
        limits=Limits(in_flight=1, in_flight_per_variant=2, mirror_bytes=3),
        tracing=Tracing(ratio=0.5),
        trusted_peers=["10.0.0.0/8"],
        drain_timeout=Duration(seconds=4, nanos=500_000_000),
        drain_delay=Duration(seconds=5),
        report_interval=Duration(nanos=250_000_000),
        reuse_port=True,
        max_connection_age=Duration(seconds=60),
        service=SERVICE,
    )
    assert check_sidecar(sidecar) == []
    expected = {
        "listen": "127.0.0.1:3",
        "admin": "127.0.0.1:1",
        "status": "127.0.0.1:2",
        "engine": "grpc-aio",
        "control": "control:7080",
        "subscribe": "fraud",
        "state_dir": pathlib.Path("/var/lib/understudy"),
        "node": "n",
        "in_flight": 1,
        "in_flight_per_variant": 2,
        "mirror_bytes": 3,
        "tracing_ratio": 0.5,
        "trusted_peers": ("10.0.0.0/8",),
        "drain_timeout": 4.5,
        "drain_delay": 5.0,
        "report_interval": 0.25,
        "reuse_port": True,
        "max_connection_age": 60.0,
        "service": SERVICE,
    }
    assert shown(settings_of(sidecar, "pod-a"), expected) == expected


def test_zero_where_it_is_written_is_zero_and_not_the_default():
    settings = settings_of(Sidecar(tracing=Tracing(ratio=0), limits=Limits(mirror_bytes=0)), "h")
    assert (settings.tracing_ratio, settings.mirror_bytes) == (0.0, 0)


def test_settings_cannot_be_changed():
    settings = settings_of(Sidecar(), "h")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.node = "x"  # type: ignore[misc]  # that is the point
