"""Services, rollouts and evidence as the tests of a rollout's decisions need them."""

import math
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from understudy.v1 import rollout_pb2, service_pb2

from control.rollout.histogram import SCALE, Histogram
from control.rollout.model import ArmEvidence, Observation, Plan
from control.rollout.strategies import compile_rollout

FRAUD = {
    "name": "fraud",
    "variants": [
        {"name": "v1", "target": "127.0.0.1:8001"},
        {"name": "v2", "target": "127.0.0.1:8002"},
        {"name": "v3", "target": "127.0.0.1:8003"},
    ],
    "routes": [
        {
            "name": "testers",
            "match": {"headers": [{"name": "canary", "exact": "true"}]},
            "split": {"weights": {"v2": 100}},
        },
        {"name": "predict", "split": {"weights": {"v1": 80, "v3": 20}}},
    ],
}
STAGES = [
    {"name": "shadow", "mirror_percent": 100, "bake": "60s", "require": ["match_rate >= 95%"]},
    {
        "name": "canary",
        "percent": 10,
        "bake": "60s",
        "require": ["latency_p99 < 200ms", "error_rate <= stable + 0.5%"],
    },
    {"name": "full", "percent": 100},
]


def make_service(**fields: Any) -> service_pb2.Service:
    return json_format.ParseDict(FRAUD | fields, service_pb2.Service())


def make_rollout(**fields: Any) -> rollout_pb2.Rollout:
    return json_format.ParseDict({"service": "fraud", "candidate": "v2"} | fields, rollout_pb2.Rollout())


def progressive(*stages: dict[str, Any], **fields: Any) -> rollout_pb2.Rollout:
    """Judged by measured values, unless another gate is asked for."""
    fields = {"gate": "threshold"} | fields
    return make_rollout(progressive={"stages": list(stages or STAGES)}, **fields)


def make_plan(*stages: dict[str, Any], **fields: Any) -> Plan:
    return compile_rollout(progressive(*stages, **fields), make_service(), "fraud-v2-1")


def histogram(seconds: Sequence[float]) -> Histogram:
    buckets: dict[int, int] = {}
    for value in seconds:
        index = math.ceil(math.log2(value) * 2**SCALE) - 1
        buckets[index] = buckets.get(index, 0) + 1
    return Histogram(buckets, sum=math.fsum(seconds))


def live(calls: int = 1000, errors: int = 0, latency: float = 0.05) -> ArmEvidence:
    return ArmEvidence(codes={"OK": calls - errors, "INTERNAL": errors}, latency=histogram([latency] * calls))


def copies(match: int = 1000, mismatch: int = 0, error: int = 0, latency: float = 0.05) -> ArmEvidence:
    count = match + mismatch + error
    return ArmEvidence(
        outcomes={"match": match, "mismatch": mismatch, "error": error},
        latency=histogram([latency] * count),
    )


def seen(
    stable: ArmEvidence | None = None,
    candidate: ArmEvidence | None = None,
    mirrored: ArmEvidence | None = None,
    *,
    connected: int = 1,
    acked: int = 1,
    unconfirmed: tuple[str, ...] = (),
    dead: tuple[str, ...] = (),
) -> Observation:
    nothing = ArmEvidence()
    return Observation(
        connected=connected,
        acked=acked,
        unconfirmed=unconfirmed,
        dead=dead,
        stable=stable or nothing,
        candidate=candidate or nothing,
        mirrored=mirrored or nothing,
    )


WELL = seen(live(), live(), copies())
NOTHING = seen()
