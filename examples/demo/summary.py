"""The demo's last words: what happened, stage by stage, and whether what was promised held. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from examples.calls import Record
from examples.demo.proof import Claim, Slice, quantile, share_of

_HEAD = ("stage", "asked", "calls seen", "users seen", "p50", "p99", "match rate", "verdicts")


def table(slices: Sequence[Slice], records: Sequence[Record], rollouts: Mapping[str, Any]) -> list[str]:
    """One row a stage: what was asked, what callers saw, what the evidence said."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for one in slices:
        status = next(
            stage for stage in rollouts[one.rollout]["stages"] if stage["stage"]["name"] == one.stage
        )
        share = share_of(one, records)
        inside = [record for record in records if one.holds(record)]
        rows.append(
            (
                f"{one.rollout} {one.stage}",
                f"{one.percent:g} %",
                _percent(share.candidate_calls, share.calls),
                _percent(share.candidate_users, share.users),
                _milliseconds(quantile(inside, one.candidate, 0.5)),
                _milliseconds(quantile(inside, one.candidate, 0.99)),
                _match_rate(status),
                _verdicts(status),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in (lines[0], "-" * len(lines[0]), *lines[1:])]


def claims(found: Sequence[Claim]) -> list[str]:
    """One line a claim."""
    return [f"{'✓' if claim.holds else '✗'} {claim.text}: {claim.detail}" for claim in found]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "n/a"


def _milliseconds(seconds: float | None) -> str:
    return "n/a" if seconds is None else f"{seconds * 1000:.1f} ms"


def _match_rate(status: Mapping[str, Any]) -> str:
    matched = sum(int(arm["matched"]) for arm in status["arms"])
    mismatched = sum(int(arm["mismatched"]) for arm in status["arms"])
    return _percent(matched, matched + mismatched)


def _verdicts(status: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['verdict']} {one['require']}" for one in status["criteria"]) or "n/a"
