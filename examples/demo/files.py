"""The files that the demo writes, as a user would."""

from collections.abc import Mapping

USERS = 400
RATE = 80

SIDECAR = """\
kind: Sidecar
listen: 127.0.0.1:0
admin: 127.0.0.1:0
status: 127.0.0.1:0
engine: {engine}
control: {control}
subscribe: digits
state_dir: {state_dir}
tracing: {{ratio: 10%}}
"""

SERVICE = """\
kind: Service
name: digits
variants:
  - {{name: v1, target: "{v1}", version: "1.0.0"}}
  - {{name: v2, target: "{v2}", version: "2.0.0"}}
  - {{name: v3, target: "{v3}", version: "3.0.0"}}
routes:
  - name: predict
    split:
      weights: {{v1: 100}}
      sticky: {{metadata: [x-user-id]}}
"""

GOOD = """\
kind: Rollout
name: digits-v2
service: digits
candidate: v2
min_calls: 20
compare: {outputs: [label]}
progressive:
  stages:
    - {name: shadow, mirror_percent: 100, bake: 11s, require: ["match_rate >= 80%"]}
    - {name: canary-5, percent: 5, bake: 11s, require: ["error_rate <= 1%", "latency_p99 < 500ms"]}
    - {name: canary-25, percent: 25, bake: 11s, require: ["error_rate <= stable + 1%", "latency_p99 < 500ms"]}
    - {name: canary-50, percent: 50, bake: 11s, require: ["error_rate <= stable + 1%", "latency_p99 < 500ms"]}
    - {name: full, percent: 100, bake: 4s, require: ["error_rate <= 1%"]}
"""

BAD = """\
kind: Rollout
name: digits-v3
service: digits
candidate: v3
min_calls: 20
compare: {outputs: [label]}
progressive:
  stages:
    - name: canary-10
      percent: 10
      mirror_percent: 50
      bake: 11s
      require: ["error_rate <= 1%", "latency_p50 < 50ms", "match_rate >= 80%"]
    - {name: canary-50, percent: 50, bake: 11s, require: ["error_rate <= 1%"]}
    - {name: full, percent: 100}
"""


def service(targets: Mapping[str, str]) -> str:
    """The service over these model servers."""
    return SERVICE.format(**targets)
