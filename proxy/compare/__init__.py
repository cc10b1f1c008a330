"""Holding two answers together: as predictions where the protocol is known, else byte for byte.

    bytes ── understudy_v1 / v2 / tensorflow / torchserve ──▶ tensors ── tolerance ──▶ Comparison

numpy is imported when the first prediction is compared, not before: a sidecar without mirrors never pays
for it.
"""
