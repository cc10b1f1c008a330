"""Every example file is valid, and together they tell one story."""

import http.client
import json
import pathlib
import subprocess
import sys

import pytest
from understudy.checks.numbers import seconds

from control.cli.lint import examine, expand
from control.rollout.strategies import check_rollout
from tests.support.files import check, load
from tests.support.manifests import EXAMPLES

FILES = sorted(EXAMPLES.glob("*.yaml"))
ROLLOUTS = [file for file in FILES if file.stem.endswith("-rollout")]
HOUR = 3600
UNDERSTUDY = pathlib.Path(sys.executable).with_name("understudy")


def test_there_is_one_of_every_kind_and_strategy() -> None:
    assert {file.name for file in FILES} >= {"sidecar.yaml", "control.yaml", "service.yaml"}
    assert {load(file).WhichOneof("strategy") for file in ROLLOUTS} == {
        "progressive",
        "canary",
        "shadow",
        "blue_green",
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_passes_the_checks(file: pathlib.Path) -> None:
    assert check(file) == []


def test_lint_finds_them_all_and_holds_them_together() -> None:
    findings = examine(expand(EXAMPLES))

    assert set(FILES) <= {each.path for each in findings}
    assert [each.problems for each in findings if each.problems] == []


@pytest.mark.parametrize("file", ROLLOUTS, ids=lambda file: file.stem)
def test_rollouts_can_be_started_on_the_example_services(file: pathlib.Path) -> None:
    services = [load(EXAMPLES / name) for name in ("service.yaml", "blue-green.yaml")]
    rollout = load(file)
    (service,) = [each for each in services if each.name == rollout.service]

    assert check_rollout(rollout, service) == []


def test_the_sidecar_needs_nothing_but_itself() -> None:
    sidecar = load(EXAMPLES / "sidecar.yaml")

    assert sidecar.HasField("service")
    assert not sidecar.control
    assert not sidecar.state_dir
    assert all(each.startswith("127.0.0.1:") for each in (sidecar.listen, sidecar.admin, sidecar.status))


def test_the_standard_rollout_is_the_classic_one() -> None:
    rollout = load(EXAMPLES / "standard-rollout.yaml")
    stages = [
        (stage.mirror_percent, stage.percent, seconds(stage.bake), list(stage.require))
        for stage in rollout.progressive.stages
    ]

    assert stages == [
        (100, 0, HOUR, ["accuracy > 0.95"]),
        (0, 5, HOUR / 2, ["accuracy > 0.93", "latency_p99 < 200ms"]),
        (0, 25, HOUR / 2, ["accuracy > 0.93", "latency_p99 < 200ms"]),
        (0, 50, HOUR, ["accuracy > 0.92", "latency_p99 < 250ms"]),
        (0, 100, 0, []),
    ]


def test_the_sidecar_starts_without_a_model_and_drains(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text((EXAMPLES / "sidecar.yaml").read_text().replace("127.0.0.1:8001", f"unix:{tmp_path}/v1"))
    ports = [argument for door in ("listen", "admin", "status") for argument in (f"--{door}", "127.0.0.1:0")]
    with subprocess.Popen(
        [UNDERSTUDY, "proxy", "--config", file, *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            listening = json.loads(process.stdout.readline())["listening"]
            assert status(listening["status"], "/healthz") == 200, "what the startup probe asks"
            assert status(listening["status"], "/readyz") == 503, "no model server is there"
            command = [UNDERSTUDY, "drain", "--admin", listening["admin"]]
            assert subprocess.run(command, timeout=30, check=False).returncode == 0
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()


def status(address: str, path: str) -> int:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
