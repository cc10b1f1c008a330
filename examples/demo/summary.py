"""The demo's last words: what happened, stage by stage, and whether what was promised held. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from examples.calls import Record
from examples.demo.proof import Claim, Slice, quantile, share_of

_HEAD = ("stage", "asked", "calls seen", "users seen", "p50", "p99", "right", "match rate", "verdicts")
_NOTE = "The candidate's figures, as its callers saw them; in brackets, its copies' as the sidecar saw them."


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
                _latency(quantile(inside, one.candidate, 0.5), status, one.candidate, "latency_p50"),
                _latency(quantile(inside, one.candidate, 0.99), status, one.candidate, "latency_p99"),
                _right(inside, one.candidate),
                _match_rate(status),
                _verdicts(status),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in (lines[0], "-" * len(lines[0]), *lines[1:], _NOTE)]


def claims(found: Sequence[Claim]) -> list[str]:
    """One line a claim."""
    return [f"{'✓' if claim.holds else '✗'} {claim.text}: {claim.detail}" for claim in found]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "n/a"


def _latency(seconds: float | None, status: Mapping[str, Any], candidate: str, figure: str) -> str:
    """What callers saw; where there were none, what the copies took."""
    if seconds is not None:
        return f"{seconds * 1000:.1f} ms"
    for arm in status["arms"]:
        if arm["variant"] == candidate and arm["mirrored"] and figure in arm:
            return f"({float(arm[figure].removesuffix('s')) * 1000:.1f} ms)"
    return "n/a"


def _right(records: Sequence[Record], candidate: str) -> str:
    """The share of the candidate's answers to callers that name the digit that was sent."""
    answers = [record.correct for record in records if record.variant == candidate]
    return _percent(sum(answers), len(answers))


def _match_rate(status: Mapping[str, Any]) -> str:
    matched = sum(int(arm["matched"]) for arm in status["arms"])
    mismatched = sum(int(arm["mismatched"]) for arm in status["arms"])
    return _percent(matched, matched + mismatched)


def _verdicts(status: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['verdict']} {one['require']}" for one in status["criteria"]) or "n/a"
