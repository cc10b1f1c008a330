"""The main job from start to end, with real processes: one rollout that succeeds, one that is rolled back.

cli ─▶ story (what happens) ─▶ processes (who runs) ─▶ proof (whether it held, from what was counted)
"""
