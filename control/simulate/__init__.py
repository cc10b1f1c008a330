"""Rollouts in virtual time: how often, and how soon, a rollout file would promote, roll back or hold.

    World (rates asked for) ─▶ Traffic: evidence, window by window ─▶ observe ─▶ step ─▶ … ─▶ End ─▶ Figures

Compiled, decided and judged by what the control service itself compiles, decides and judges with: only the
sidecars are imagined, and the clock. Draws come from one seed: the same question gets the same
answer.
"""
