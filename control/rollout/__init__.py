"""What a rollout does, decided without touching anything.

    file ── strategies ──▶ Plan (stages) ──┐
                                           ├─ machine.step / machine.command ──▶ Step (state, actions)
    reports ── evidence ──▶ Observation ───┘        │
                                    criteria · verdicts: what the evidence says of each sentence

Nothing here does I/O, reads a clock, draws a random number or logs: time and evidence are arguments, what
must be done comes back as values. The reconciler performs them.
"""
