import pytest
from understudy.v1 import rollouts_pb2

from control.cli.render.rollout import bake, is_healthy, render_plan, render_rollout, render_rollouts
from tests.support.statuses import NOW, STARTED, rollout_status


def test_a_rollout_shows_where_it_stands_and_who_has_not_confirmed_and_why():
    lines = render_rollout(rollout_status(), NOW)

    assert lines[:7] == [
        "fraud-v2  Progressing: canary-5 is baking",
        "  service   fraud, route predict",
        "  change    v1 (1.0.0) -> v2 (2.0.0), progressive",
        "  traffic   5% to v2",
        "  started   2026-01-01 00:00:00Z, 1h 12m ago",
        "  sidecars  1 of 3 confirmed snapshot 3.17",
        "            pod-b refused it: routes[0].name: is required; runs 3.16",
    ]
    assert lines[7] == "            pod-c has not answered; runs 3.16"


def test_every_stage_has_its_state_percent_and_bake():
    lines = render_rollout(rollout_status(), NOW)

    assert "     STAGE     KIND    STATE    TRAFFIC  MIRROR  BAKE" in lines
    assert "     shadow    shadow  passed   0%       100%    [####################] 1h of 1h" in lines
    assert "  >  canary-5  canary  baking   5%       -       [########------------] 12m 05s of 30m" in lines
    assert "     full      full    pending  100%     -       -" in lines


def test_criteria_carry_verdict_value_and_bound_and_say_what_was_not_measured():
    lines = render_rollout(rollout_status(), NOW)

    assert "    latency_p99 < 200ms          pass          132ms  200ms  450 calls" in lines
    assert "    error_rate <= stable + 0.5%  inconclusive  n/a    n/a    30 of 50 calls" in lines
    assert "    match_rate >= 95%  pass     >99.99%  95%    9000 pairs" in lines


def test_an_arm_without_calls_has_no_figures():
    lines = render_rollout(rollout_status(), NOW)

    assert "    v1   8412   94.9%  3 (0.04%)  12ms  88ms  -" in lines
    assert "    v2   0      n/a    n/a        n/a   n/a   -" in lines
    assert "    v2 (copies)  9000   -      0 (0%)  1.5ms  n/a   8999 of 9000 (99.99%)" in lines


def test_only_the_current_stage_is_shown_in_detail_where_room_is_short():
    lines = render_rollout(rollout_status(), NOW, every_stage=False)

    assert "  canary-5" in lines
    assert "  shadow" not in lines


def test_a_trace_is_a_link_where_a_viewer_is_known_and_a_bare_id_otherwise():
    status = rollout_status()
    linked = render_rollout(status, NOW)
    status.trace_url = ""
    bare = render_rollout(status, NOW)

    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert f"    slow    v2       OK           312ms    https://traces.example/t/{trace}" in linked
    assert f"    slow    v2       OK           312ms    {trace}" in bare
    assert "    failed  v2       UNAVAILABLE  n/a      not traced" in linked


def test_an_ended_rollout_says_when_and_after_how_long():
    status = rollout_status()
    status.ended_at.seconds = STARTED + 600

    assert "  started   2026-01-01 00:00:00Z, ended 2026-01-01 00:10:00Z after 10m" in render_rollout(
        status, NOW
    )


def test_a_stage_that_holds_for_evidence_says_up_to_when():
    stage = rollout_status().stages[1]
    stage.elapsed.seconds = 2000

    assert bake(stage) == "[####################] 33m 20s of 30m, holds up to 2h"


def test_a_list_has_a_row_each_and_an_empty_one_says_what_to_do():
    rows = render_rollouts([rollout_status()], NOW)

    assert rows[1].split("  ")[0] == "fraud-v2"
    assert "canary-5  5%       1h 12m ago" in rows[1]
    assert render_rollouts([], NOW) == [
        "no rollouts; start one with `understudy rollout start -f rollout.yaml`"
    ]


def test_a_plan_shows_the_stages_as_compiled():
    status = rollout_status()
    status.rollout.gate, status.rollout.alpha = "sequential", 0.05
    status.stages[1].stage.advance = "proven"
    lines = render_plan(status, NOW)

    canary = "  canary-5  canary  5%       0%      30m   2h        proven   latency_p99 < 200ms; error_rate"
    assert any(line.startswith(canary) for line in lines)
    assert "  gate             sequential, alpha 5%" in lines
    assert "  on_fail          rollback" in lines


@pytest.mark.parametrize(
    ("phase", "failing", "healthy"),
    [
        ("Succeeded", False, True),
        ("Progressing", False, True),
        ("Progressing", True, False),
        ("Pending", False, False),
        ("Paused", False, False),
        ("RolledBack", True, False),
        ("Aborted", False, False),
    ],
)
def test_healthy_is_succeeded_or_progressing_with_nothing_failed(phase, failing, healthy):
    assert is_healthy(rollouts_pb2.RolloutStatus(phase=phase, failing=failing)) is healthy
