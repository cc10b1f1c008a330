"""Getting what is in force to the sidecars, and knowing who has it.

Board (what is in force, per service) ──▶ Subscription (the rules of one stream) ──▶ stream ──▶ sidecar
Fleet (who is connected, what runs there, what was said of the last push) ◀────────────┘
"""
