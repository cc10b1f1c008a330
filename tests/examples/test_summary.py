"""The demo's last words."""

from examples.calls import Record
from examples.demo import summary
from examples.demo.proof import Claim, Slice

SHADOW = Slice("digits-v2", "shadow", "v2", 0.0, 0.0, 100.0)
CANARY = Slice("digits-v2", "canary-50", "v2", 50.0, 100.0, 200.0)
COPIES = {"variant": "v2", "mirrored": True, "matched": "9", "mismatched": "1", "latency_p50": "0.003400s"}
LIVE = {"variant": "v2", "mirrored": False, "matched": "0", "mismatched": "0", "latency_p50": "0.5s"}
ROLLOUTS = {
    "digits-v2": {
        "stages": [
            {
                "stage": {"name": "shadow"},
                "arms": [COPIES],
                "criteria": [{"verdict": "pass", "require": "match_rate >= 80%"}],
            },
            {"stage": {"name": "canary-50"}, "arms": [LIVE], "criteria": []},
        ]
    }
}


def rows(*records: Record) -> dict[str, str]:
    lines = summary.table([SHADOW, CANARY], records, ROLLOUTS)
    return {line.split()[1]: " ".join(line.split()) for line in lines[2:4]}


def record(user: str, variant: str, *, seconds: float, correct: bool) -> Record:
    return Record(150.0, user, variant, "OK", seconds, correct)


def test_a_shadow_has_the_latency_of_its_copies():
    row = rows()["shadow"]
    assert row == "digits-v2 shadow 0 % n/a n/a (3.4 ms) n/a n/a 90.0 % pass match_rate >= 80%"


def test_a_canary_has_the_figures_its_callers_saw():
    row = rows(
        record("ann", "v2", seconds=0.004, correct=True),
        record("ann", "v2", seconds=0.006, correct=False),
        record("bob", "v1", seconds=0.001, correct=True),
        record("eve", "v1", seconds=0.001, correct=True),
    )["canary-50"]
    assert row == "digits-v2 canary-50 50 % 50.0 % 33.3 % 6.0 ms 6.0 ms 50.0 % n/a n/a"


def test_columns_stand_under_their_heads():
    head, _, *lines = summary.table([SHADOW, CANARY], [], ROLLOUTS)
    at = head.index("asked")
    assert [line[at : at + 4].strip() for line in lines[:2]] == ["0 %", "50 %"]


def test_a_claim_is_a_line_with_its_mark():
    found = [
        Claim("none failed", holds=True, detail="5 OK"),
        Claim("v3 gone", holds=False, detail="1 of 9"),
    ]
    assert summary.claims(found) == ["✓ none failed: 5 OK", "✗ v3 gone: 1 of 9"]
