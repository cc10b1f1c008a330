"""The control plane, its command line and its page.

    cli ── gRPC ──▶ api ──▶ services · reconciler ──▶ rollout (pure) ──▶ store ──▶ delivery ──▶ sidecars
                     ▲                               ▲
    page ◀── status (views)        telemetry ────────┘

`rollout` decides and touches nothing; the rest does what it says. Nothing here is ever imported by `proxy`.
"""
