from control.cli.render.changes import render_changes
from tests.support.statuses import rollout_status


def test_the_first_look_says_how_it_came_to_stand_here():
    assert render_changes(None, rollout_status()) == [
        "fraud-v2  Progressing: canary-5 is baking (v1 -> v2)",
        "shadow: match_rate >= 95%: pass at >99.99%, bound 95%",
        "shadow: passed",
        "canary-5: latency_p99 < 200ms: pass at 132ms, bound 200ms",
        "canary-5: baking at 5% of the traffic",
        "sidecars: 1 of 3 confirmed snapshot 3.17",
        "sidecars: pod-b refused it: routes[0].name: is required",
    ]


def test_a_clock_that_runs_on_and_figures_that_move_are_no_change():
    before, after = rollout_status(), rollout_status()
    before.reason, after.reason = "baking for 12.5s of 30m", "baking for 13s of 30m"
    after.stages[1].elapsed.seconds += 1
    after.stages[1].criteria[0].value = 0.14
    after.stages[1].arms[0].calls += 100

    assert render_changes(before, after) == []


def test_a_verdict_a_stage_and_a_phase_that_change_are_a_line_each():
    before, after = rollout_status(), rollout_status()
    failed = after.stages[1].criteria[0]
    failed.verdict, failed.value = "fail", 0.35
    after.stages[1].state = "failed"
    after.phase, after.reason = "RolledBack", "latency_p99 < 200ms failed"

    assert render_changes(before, after) == [
        "canary-5: latency_p99 < 200ms: fail at 350ms, bound 200ms",
        "canary-5: failed",
        "fraud-v2  RolledBack: latency_p99 < 200ms failed",
    ]


def test_that_nobody_is_connected_is_said_as_such():
    before, after = rollout_status(), rollout_status()
    after.acked = after.connected = 0
    del after.unconfirmed[:]

    assert render_changes(before, after) == ["sidecars: none is connected, none has confirmed snapshot 3.17"]


def test_a_sidecar_that_comes_round_is_a_change_of_the_count_only():
    before, after = rollout_status(), rollout_status()
    after.acked = 2
    del after.unconfirmed[1]

    assert render_changes(before, after) == ["sidecars: 2 of 3 confirmed snapshot 3.17"]
