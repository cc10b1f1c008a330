import json

import pytest

from control.cli.lint import is_ours
from tests.support.command import run

SERVICE = """\
kind: Service
name: fraud
variants:
  - {name: v1, target: "127.0.0.1:8001"}
  - {name: v2, target: "127.0.0.1:8002"}
routes:
  - {name: predict, split: {weights: {v1: 100}}}
"""
ROLLOUT = """\
kind: Rollout
service: fraud
candidate: v2
canary: {interval: 1m, require: ["error_rate < 1%"]}
"""
SIDECAR = "kind: Sidecar\ncontrol: 127.0.0.1:7080\nsubscribe: fraud\n"
CONTROL = "kind: Control\nstore: sqlite:///understudy.db\n"


@pytest.fixture
def put(tmp_path):
    def write(name: str, text: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("text", [SERVICE, ROLLOUT, SIDECAR, CONTROL])
def test_a_sound_file_of_any_kind_is_ok(put, text):
    path = put("file.yaml", text)

    result = run("lint", "-f", path)

    assert (result.exit_code, result.out.splitlines()[0]) == (0, f"{path}: ok")


def test_every_problem_of_every_file_is_a_line_and_the_exit_code_is_2(put):
    bad = put("bad.yaml", SERVICE.replace("v1: 100", "v1: -1, v9: 1").replace("8002", "99999"))
    good = put("good.yaml", CONTROL)

    result = run("lint", "-f", bad, "-f", good)

    assert result.exit_code == 2
    lines = result.out.splitlines()
    assert lines[-1] == f"{good}: ok"
    assert len(lines) == 4
    assert lines[0].startswith(f"{bad}:5: variants[1].target: ")
    assert all(line.startswith(f"{bad}:7: routes[0].split.weights.v") for line in lines[1:3])


def test_a_route_that_is_never_reached_is_warned_of_and_no_error(put):
    hidden = SERVICE + "  - {name: hidden, match: {methods: [/a.B/C]}, split: {weights: {v2: 1}}}\n"
    service = put("service.yaml", hidden)
    block = "".join(f"  {line}\n" for line in hidden.splitlines()[1:])
    sidecar = put("sidecar.yaml", f"kind: Sidecar\nservice:\n{block}")

    result = run("lint", "-f", service, sidecar)

    text = "warning: is never reached: route 'predict' above it takes every call that it fits"
    assert result.exit_code == 0
    assert result.out.splitlines() == [
        f"{service}: ok",
        f"{service}:8: routes[1]: {text}",
        f"{sidecar}: ok",
        f"{sidecar}:9: service.routes[1]: {text}",
    ]


def test_files_may_follow_each_other(put):
    paths = [put("a.yaml", CONTROL), put("b.yaml", SIDECAR)]

    assert run("lint", "-f", *paths).out == "".join(f"{path}: ok\n" for path in paths)


def test_a_rollout_is_held_against_the_service_beside_it(put):
    rollout = put("rollout.yaml", ROLLOUT.replace("v2", "v7"))

    alone = run("lint", "-f", rollout)
    beside = run("lint", "-f", rollout, put("service.yaml", SERVICE))

    assert alone.exit_code == 0
    assert beside.exit_code == 2
    assert f"{rollout}:3: candidate: no variant is called 'v7'; there are: v1, v2\n" in beside.out


def test_a_rollout_is_held_against_the_service_block_of_a_sidecar(put):
    rollout = put("rollout.yaml", ROLLOUT.replace("v2", "v7"))
    block = "".join(f"  {line}\n" for line in SERVICE.splitlines()[1:])
    sidecar = put("sidecar.yaml", f"kind: Sidecar\nservice:\n{block}")

    assert "no variant is called 'v7'" in run("lint", "-f", rollout, "-f", sidecar).out


def test_a_directory_stands_for_its_files_that_are_ours(put, tmp_path):
    put("b/rollout.yaml", ROLLOUT)
    put("a.json", json.dumps({"kind": "Control"}, indent=2))
    put("pod.yaml", "apiVersion: v1\nkind: Service\nmetadata: {}\n---\nkind: Pod\n")
    put("notes.txt", SERVICE)

    result = run("lint", "-f", str(tmp_path))

    verdicts = [line for line in result.out.splitlines() if line.endswith(": ok")]
    assert verdicts == [f"{tmp_path}/a.json: ok", f"{tmp_path}/b/rollout.yaml: ok"]


def test_a_file_of_ours_that_does_not_parse_is_not_passed_over(put, tmp_path):
    path = put("broken.yaml", "kind: Service\nname: [\n")

    result = run("lint", "-f", str(tmp_path))

    assert result.exit_code == 2
    assert result.out.startswith(f"{path}:")


def test_a_directory_without_any_is_a_problem_and_hides_no_other(put, tmp_path):
    path = put("ours.yaml", CONTROL)
    (tmp_path / "empty").mkdir()

    result = run("lint", "-f", f"{tmp_path}/empty", "-f", path)

    assert result.exit_code == 2
    assert result.out.startswith(f"{tmp_path}/empty: holds no file that begins with kind: ")
    assert result.out.endswith(f"{path}: ok\n")


def test_no_file_at_all_is_a_usage_error():
    result = run("lint")

    assert result.exit_code == 2
    assert "name at least one file with -f" in result.err


def test_findings_in_json(put):
    path = put("bad.yaml", "kind: Control\nstore: nowhere\n")

    found = json.loads(run("lint", "-f", path, "-o", "json").out)

    assert found == [
        {
            "file": path,
            "ok": False,
            "problems": [f"{path}:2: store: must be sqlite:///PATH, got 'nowhere'"],
            "warnings": [],
            "notes": [],
        }
    ]


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("# a note\nkind: Rollout\n", True),
        ('kind: "Service" # x\n', True),
        ('{"kind": "Control"}', True),
        ('{\n  "listen": "x",\n  "kind": "Control"\n}', True),
        ("kind: Deployment\n", False),
        ("kind: Service\napiVersion: v1\n", False),
        ("spec:\n  kind: Service\n", False),
        ("kind: Services\n", False),
    ],
)
def test_what_is_ours_is_told_from_the_text(text, ours):
    assert is_ours(text) is ours


def test_a_rollout_is_told_what_its_proofs_take_and_which_never_come(put):
    path = put(
        "rollout.yaml",
        "kind: Rollout\nservice: fraud\ncandidate: v2\n"
        'canary: {require: ["error_rate <= stable", "error_rate <= stable * 2"]}\n',
    )

    result = run("lint", "-f", path)

    fine, never, proof = result.out.splitlines()
    assert (result.exit_code, fine) == (0, f"{path}: ok")
    assert never.startswith(f"{path}: warning: 'error_rate <= stable' can never be proven")
    assert proof.startswith(f"{path}: proof of 'error_rate <= stable * 2' on candidate: about ")
