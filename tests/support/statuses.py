"""Statuses as a control service in use would answer them."""

from google.protobuf import text_format
from understudy.v1 import rollouts_pb2, services_pb2

STARTED = 1_767_225_600  # 2026-01-01 00:00:00Z
NOW = STARTED + 4325.0  # 1 h 12 min 05 s later

_ROLLOUT = """
rollout {
  name: "fraud-v2" service: "fraud" candidate: "v2" route: "predict"
  progressive {} on_fail: "rollback" on_inconclusive: "hold" gate: "threshold" min_calls: 50
}
phase: "Progressing" reason: "canary-5 is baking" stage: 1
stable: "v1" stable_version: "1.0.0" canary_version: "2.0.0" canary_percentage: 5
epoch: 3 version: 17 acked: 1 connected: 3
unconfirmed { node: "pod-b" epoch: 3 version: 16 answer: "nack" error: "routes[0].name: is required" }
unconfirmed { node: "pod-c" epoch: 3 version: 16 answer: "waiting" }
started_at { seconds: 1767225600 }
trace_url: "https://traces.example/t/{trace_id}"
stages {
  stage {
    name: "shadow" mirror_percent: 100 bake { seconds: 3600 } max_bake { seconds: 14400 }
    require: "match_rate >= 95%"
  }
  kind: "shadow" state: "passed" elapsed { seconds: 3600 }
  criteria { require: "match_rate >= 95%" verdict: "pass" value: 0.99995 bound: 0.95 detail: "9000 pairs" }
  arms { variant: "v1" calls: 9000 errors: 0 share: 1
    latency_p50 { nanos: 12000000 } latency_p99 { nanos: 88000000 }
  }
  arms { variant: "v2" mirrored: true calls: 9000 matched: 8999 mismatched: 1 latency_p50 { nanos: 1500000 } }
}
stages {
  stage {
    name: "canary-5" percent: 5 bake { seconds: 1800 } max_bake { seconds: 7200 }
    require: "latency_p99 < 200ms" require: "error_rate <= stable + 0.5%"
  }
  kind: "canary" state: "baking" elapsed { seconds: 725 }
  criteria { require: "latency_p99 < 200ms" verdict: "pass" value: 0.132 bound: 0.2 detail: "450 calls" }
  criteria { require: "error_rate <= stable + 0.5%" verdict: "inconclusive" detail: "30 of 50 calls" }
  arms { variant: "v1" calls: 8412 errors: 3 share: 0.949
    latency_p50 { nanos: 12000000 } latency_p99 { nanos: 88000000 }
  }
  arms { variant: "v2" }
}
stages {
  stage { name: "full" percent: 100 }
  kind: "full" state: "pending"
}
exemplars {
  trace_id: "4bf92f3577b34da6a3ce929d0e0e4736" route: "predict" variant: "v2" kind: "slow" code: "OK"
  latency { nanos: 312000000 }
}
exemplars { route: "predict" variant: "v2" kind: "failed" code: "UNAVAILABLE" }
"""

_SERVICE = """
service {
  name: "fraud" stable: "v1"
  variants { name: "v1" target: "127.0.0.1:8001" version: "1.0.0" }
  variants { name: "v2" target: "dns:///fraud-v2:8001" version: "2.0.0" }
  variants { name: "v3" target: "unix:/run/v3.sock" }
  routes {
    name: "testers" match { headers { name: "canary" exact: "true" } }
    split { weights { key: "v2" value: 1 } }
  }
  routes {
    name: "predict" split { weights { key: "v1" value: 19 } weights { key: "v2" value: 1 } }
    mirrors { variant: "v3" percent: 50 }
  }
}
epoch: 3 version: 17 rollout: "fraud-v2"
slots {
  active_slot: "v1"
  slots { key: "v1" value { model_name: "fraud" model_version: "1.0.0" is_active: true
    deployed_at { seconds: 1767225600 } } }
  slots { key: "v2" value { model_name: "fraud" model_version: "2.0.0" deployed_at { seconds: 1767225600 } } }
}
variants {
  name: "v1" live_at: 3 seen_by: 3 live { calls: 5700 calls_per_second: 95 error_rate: 0.0004
    latency_p50 { nanos: 12000000 } latency_p99 { nanos: 88000000 } }
}
variants {
  name: "v2" live_at: 2 seen_by: 3 mirrored { calls: 300 calls_per_second: 5 }
  match_rate: 0.98
}
updated_at { seconds: 1767225600 }
"""

_SIDECARS = """
sidecars {
  node: "pod-a" boot_id: "b1" service: "fraud" connected: true epoch: 3 version: 17
  sent_epoch: 3 sent_version: 17 answer: "ack" connected_at { seconds: 1767225600 }
  answered_at { seconds: 1767229320 }
  reported_at { seconds: 1767229924 }
}
sidecars {
  node: "pod-b" boot_id: "b2" service: "fraud" epoch: 3 version: 16 sent_epoch: 3 sent_version: 17
  answer: "nack" error: "routes[0].name: is required" connected_at { seconds: 1767225600 }
}
"""


def rollout_status() -> rollouts_pb2.RolloutStatus:
    """A rollout of v2, baking its second stage."""
    return text_format.Parse(_ROLLOUT, rollouts_pb2.RolloutStatus())


def service_status() -> services_pb2.ServiceStatus:
    """The service it changes; nothing has been seen of v3."""
    return text_format.Parse(_SERVICE, services_pb2.ServiceStatus())


def sidecar_statuses() -> list[services_pb2.SidecarStatus]:
    """One that confirmed and one that refused and went away."""
    return list(text_format.Parse(_SIDECARS, services_pb2.ListSidecarsResponse()).sidecars)


def transitions() -> list[rollouts_pb2.Transition]:
    """Its first two steps."""
    started = rollouts_pb2.Transition(
        sequence=1,
        actor="alice",
        event="started",
        to_phase="Progressing",
        reason="started",
        epoch=3,
        version=16,
    )
    stage = rollouts_pb2.Transition(
        sequence=2, actor="controller", event="stage", from_phase="Progressing", to_phase="Progressing",
        from_stage=0, to_stage=1, reason="every criterion passed", epoch=3, version=17,
        criteria=rollout_status().stages[0].criteria, arms=rollout_status().stages[0].arms,
    )  # fmt: skip
    for each in (started, stage):
        each.time.seconds = STARTED + 3600 * (each.sequence - 1)
    return [started, stage]
