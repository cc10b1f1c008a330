from control.cli.render.transitions import render_explanation, render_history
from tests.support.statuses import transitions

STAGES = ["shadow", "canary-5", "full"]


def test_history_is_a_row_a_step():
    lines = render_history(transitions(), STAGES)

    assert lines[2].split() == (
        [
            "2",
            "2026-01-01",
            "01:00:00Z",
            "controller",
            "stage",
            "Progressing",
            "shadow",
            "->",
            "canary-5",
            "3.17",
            "every",
            "criterion",
            "passed",
        ]
    )


def test_an_explanation_carries_what_each_step_was_decided_on():
    lines = render_explanation(transitions(), STAGES)

    assert "2. 2026-01-01 01:00:00Z  stage, by controller" in lines
    assert "   Progressing, stage shadow -> canary-5, snapshot 3.17" in lines
    assert "     match_rate >= 95%  pass     >99.99%  95%    9000 pairs" in lines
    assert "     v1           9000   100%   0 (0%)  12ms   88ms  -" in lines


def test_an_explanation_says_who_asked_and_how_the_test_stood():
    step = transitions()[1]
    step.by, step.arrival = "ada@laptop", 812
    step.evidence_from.seconds, step.evidence_until.seconds = 1_767_225_600, 1_767_229_200
    step.unconfirmed.append("pod-2 (nack: bad)")
    judged = step.criteria[0]
    judged.method = "betting"
    judged.counts.add(arm="mirrored", n=9000, bad=1)
    judged.counts.add(arm="load", n=3)
    judged.to_fail.value, judged.to_fail.limit = 0.0012, 20
    judged.to_pass.value, judged.to_pass.limit = 1e6, 20

    lines = render_explanation([step], STAGES)

    assert lines[0].endswith("stage, by controller (ada@laptop)")
    assert "   not confirmed by pod-2 (nack: bad)" in lines
    window = "2026-01-01 00:00:00Z to 2026-01-01 01:00:00Z"
    assert f"   evidence of the stage: {window}, up to row 812" in lines
    row = "     match_rate >= 95%  betting  mirrored 1 of 9000, load 3  0.0012 of 20  1e+06 of 20"
    assert row in lines


def test_a_stage_that_the_status_does_not_know_is_its_number():
    assert "shadow -> 2" in render_history(transitions(), ["shadow"])[2]


def test_no_steps_are_said_to_be_none():
    assert render_history([], []) == render_explanation([], []) == ["nothing has happened yet"]
