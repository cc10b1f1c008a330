"""The data plane: a sidecar that carries Predict calls beside a model server.

    caller ─▶ engines/ ──asks──▶ policy/    which variant, which mirrors          (pure)
                 │               compare/   two predictions held together         (pure)
                 │               stats/     counters, histogram, exemplars        (pure)
                 ├─▶ model servers
                 └─▶ shadows (copies; never waited for)

    config/     the table in force: from a file, the control service, or the last known good
    telemetry/  spans, reports to the control service, Prometheus
    admin.py    the HTTP doors · process.py assembles it all · cli.py

It never imports `control`; the two meet in `understudy.v1`.
"""
