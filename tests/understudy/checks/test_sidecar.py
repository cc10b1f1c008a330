import pytest
from google.protobuf.duration_pb2 import Duration
from understudy.checks.sidecar import check_sidecar
from understudy.loading import load_checked
from understudy.v1.service_pb2 import Service, Variant
from understudy.v1.sidecar_pb2 import Limits, Sidecar, Tracing

SERVICE = Service(name="fraud", variants=[Variant(name="v1", target="a:1")])

DESIGN = """kind: Sidecar
listen: 0.0.0.0:7070
admin: 127.0.0.1:7071
status: 0.0.0.0:7072               # optional second door, read-only
engine: grpc-aio                   # grpc-aio | relay  (section 4)
workers: 1
control: 127.0.0.1:7080            # optional: take the service's snapshots from there
subscribe: fraud                   # for this service
state_dir: /var/lib/understudy     # last-known-good snapshot
limits: {in_flight: 1024, in_flight_per_variant: 1024, mirror_bytes: 256MiB}
tracing: {ratio: 1%}
service:
  name: fraud
  stable: v1                       # default: the first variant
  fallback: v1                     # default: the stable variant
  variants:
    - {name: v1, target: "127.0.0.1:8001", version: "1.0.0"}
    - {name: v2, target: "dns:///fraud-v2:8001", version: "2.0.0"}
    - {name: v3, target: "unix:/run/fraud-v3.sock", version: "3.0.0"}
  routes:
    - name: testers
      match: {headers: [{name: canary, exact: "true"}]}
      split: {weights: {v2: 100}}
    - name: predict
      match: {methods: ["/inference.GRPCInferenceService/ModelInfer"]}
      split:
        weights: {v1: 90, v2: 10}
        sticky: {metadata: [x-user-id, x-session-id], payload: true, salt: fraud-2026}
      mirrors:
        - {variant: v3, percent: 100, deadline: 250ms, max_in_flight: 64, max_bytes: 64MiB,
           compare: {absolute: 0.01, relative: 0.001, outputs: [label, score]}}
      timeout: 2s
    - name: rest                   # health, metadata, anything else
      split: {weights: {v1: 100}}
"""


def a_sidecar(**fields: object) -> Sidecar:
    sidecar = Sidecar(service=SERVICE)
    sidecar.MergeFrom(Sidecar(**fields))
    return sidecar


def test_the_design_s_sample_file_loads_and_keeps_every_rule(tmp_path):
    path = tmp_path / "sidecar.yaml"
    path.write_text(DESIGN)
    sidecar = load_checked(path, "Sidecar", check_sidecar)
    assert sidecar.limits.mirror_bytes == 256 * 1024 * 1024
    assert sidecar.tracing.ratio == 0.01
    assert sidecar.service.routes[1].mirrors[0].deadline.ToMilliseconds() == 250


def test_a_service_of_one_s_own_or_one_from_the_control_service_is_enough():
    assert check_sidecar(a_sidecar()) == []
    assert check_sidecar(Sidecar(control="control:7080", subscribe="fraud")) == []
    assert check_sidecar(a_sidecar(control="control:7080", subscribe="fraud")) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"listen": "7070"}, "listen: must be host:port, got '7070'"),
        ({"listen": "dns:///a:1"}, "listen: must be host:port or unix:/path, got 'dns:///a:1'"),
        ({"admin": "unix:/run/a.sock"}, "admin: must be host:port, got 'unix:/run/a.sock'"),
        ({"status": "unix:/run/a.sock"}, "status: must be host:port, got 'unix:/run/a.sock'"),
        (
            {"listen": "unix:/run/a.sock", "reuse_port": True},
            "reuse_port: is for ports, and listen is 'unix:/run/a.sock'",
        ),
        (
            {"max_connection_age": Duration()},
            "max_connection_age: must be longer than 0s, got 0s",
        ),
        ({"engine": "envoy"}, "engine: must be one of grpc-aio, relay, got 'envoy'"),
        ({"workers": 65}, "workers: must be from 0 to 64, got 65"),
        (
            {"workers": 2, "listen": "unix:/run/a.sock"},
            "workers: must be 1 where listen is no port, got 2 and 'unix:/run/a.sock'",
        ),
        ({"limits": Limits(in_flight=0)}, "limits.in_flight: must be above 0"),
        ({"limits": Limits(in_flight_per_variant=0)}, "limits.in_flight_per_variant: must be above 0"),
        ({"tracing": Tracing(ratio=1.5)}, "tracing.ratio: must be from 0 to 1, got 1.5"),
        ({"tracing": Tracing(ratio=float("nan"))}, "tracing.ratio: must be a finite number, got nan"),
        ({"drain_timeout": Duration()}, "drain_timeout: must be longer than 0s, got 0s"),
        ({"report_interval": Duration(seconds=-1)}, "report_interval: must be longer than 0s, got -1s"),
        ({"drain_delay": Duration(seconds=-1)}, "drain_delay: must not be below 0s, got -1s"),
        (
            {"trusted_peers": ["10.0.0.0/8", "::1", "localhost"]},
            "trusted_peers[2]: must be an IP address or network such as 10.0.0.0/8, got 'localhost'",
        ),
        (
            {"trusted_peers": ["10.0.0.1/8"]},
            "trusted_peers[0]: must be an IP address or network such as 10.0.0.0/8, got '10.0.0.1/8'",
        ),
        ({"subscribe": "fraud"}, "control: is required where subscribe is set"),
        (
            {"control": "a:1", "subscribe": "other"},
            "subscribe: must be the service block's name, 'fraud', got 'other'",
        ),
    ],
)
def test_a_broken_rule(fields, problem):
    assert [str(one) for one in check_sidecar(a_sidecar(**fields))] == [problem]


@pytest.mark.parametrize(
    ("sidecar", "problem"),
    [
        (
            Sidecar(),
            "service: is required: a service to serve, or control and subscribe to get one from there",
        ),
        (Sidecar(control="a:1"), "subscribe: is required"),
        (Sidecar(control="a", subscribe="fraud"), "control: must be host:port, got 'a'"),
        (Sidecar(control="a:0", subscribe="fraud"), "control: must have a port from 1 to 65535, got 'a:0'"),
    ],
)
def test_where_the_service_comes_from(sidecar, problem):
    assert [str(one) for one in check_sidecar(sidecar)] == [problem]


def test_the_service_block_is_checked_below_its_own_path():
    sidecar = a_sidecar()
    sidecar.service.variants[0].target = ""
    assert [str(one) for one in check_sidecar(sidecar)] == ["service.variants[0].target: is required"]
    assert [one.field for one in check_sidecar(sidecar, "s")] == ["s.service.variants[0].target"]
