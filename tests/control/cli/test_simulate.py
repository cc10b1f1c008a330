import json

import pytest

from tests.support.command import run

ROLLOUT = """\
kind: Rollout
service: fraud
candidate: v2
gate: threshold
progressive:
  stages:
    - {percent: 50, bake: 1m, require: ["error_rate <= 5%"]}
    - {percent: 100}
"""


@pytest.fixture
def rollout(tmp_path):
    file = tmp_path / "rollout.yaml"
    file.write_text(ROLLOUT)
    return str(file)


def simulate(*arguments: str):
    return run("simulate", *arguments, "--runs", "5")


def test_json_has_the_figures_by_name(rollout):
    good = simulate("-f", rollout, "--rps", "5", "-o", "json")

    assert json.loads(good.out) == {
        "runs": 5,
        "promoted": 5,
        "rolled_back": 0,
        "held": 0,
        "mean_minutes": 1.0,
        "p90_minutes": 1.0,
    }


def test_a_table_says_how_they_ended_and_where(rollout):
    bad = simulate("-f", rollout, "--rps", "5", "--candidate-error-rate", "50%")

    assert bad.exit_code == 0
    row = next(line.split() for line in bad.out.splitlines() if line.startswith("rolled back"))
    assert row[2:5] == ["5", "100.0%", "1.0"]
    assert "canary-50 (5)" in bad.out


def test_a_table_says_what_held_them(rollout):
    few = run("simulate", "-f", rollout, "--rps", "0.1", "--horizon", "10m", "--runs", "7")

    assert few.exit_code == 0
    shown = few.out.partition("held:\n")[2].splitlines()
    assert len(shown) == 6
    assert all("of 50 calls" in line for line in shown[:5])
    assert shown[5] == "  and 2 more"


def test_the_same_seed_prints_the_same(rollout):
    arguments = (
        "-f",
        rollout,
        "--rps",
        "2",
        "--candidate-error-rate",
        "5%",
        "--users",
        "50",
        "--user-beta",
        "4",
    )

    assert simulate(*arguments, "--seed", "3").out == simulate(*arguments, "--seed", "3").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rps", "0"], "--rps"),
        (["--rps", "5", "--match-rate", "150%"], "must be a rate"),
        (["--rps", "5", "--candidate-error-rate", "much"], "must be a rate"),
        (["--rps", "5", "--horizon", "0s"], "must be above 0"),
        (["--rps", "5", "--report-every", "often"], "must be a duration"),
    ],
)
def test_a_senseless_question_is_a_usage_error(rollout, arguments, says):
    refused = simulate("-f", rollout, *arguments)

    assert refused.exit_code == 2
    assert says in refused.err


def test_a_broken_rollout_is_refused_with_its_place(tmp_path):
    file = tmp_path / "rollout.yaml"
    file.write_text(ROLLOUT.replace("<= 5%", "<= many"))

    refused = simulate("-f", str(file), "--rps", "5")

    assert refused.exit_code == 2
    assert "progressive.stages[0].require[0]" in refused.err
