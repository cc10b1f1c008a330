"""Blue/green: two slots, one Service, and the lines of the README do what they say."""

import json
import re
import shlex
from typing import Any

import pytest
from understudy.cli import VERBS

from tests.support.manifests import KUBERNETES, manifests, only, selects

README = (KUBERNETES / "blue-green" / "README.md").read_text()
SLOTS = ("blue", "green")


def lines(program: str) -> list[list[str]]:
    """The commands that the README shows, split as a shell would."""
    blocks = re.findall(r"^```\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith(program)]


def patched(target: Any, patch: Any) -> Any:
    """RFC 7396: what `kubectl patch` makes of maps."""
    if not isinstance(patch, dict):
        return patch
    merged = {**target, **{key: patched(target.get(key, {}), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def pods_of(service: Any) -> list[str]:
    return [
        each.name
        for each in manifests("Deployment")
        if selects(service["spec"]["selector"], each.content["spec"]["template"]["metadata"]["labels"])
    ]


@pytest.mark.parametrize("slot", SLOTS)
def test_slots_are_three_pods_on_8080(slot: str) -> None:
    spec = only("Deployment", f"credit-{slot}")["spec"]

    assert spec["replicas"] == 3
    assert spec["selector"]["matchLabels"]["slot"] == slot
    assert spec["template"]["spec"]["containers"][0]["ports"] == [{"name": "model", "containerPort": 8080}]


def test_the_service_leads_from_80_to_8080_of_blue() -> None:
    service = only("Service", "credit")

    assert {"name": "model", "port": 80, "targetPort": 8080} in service["spec"]["ports"]
    assert pods_of(service) == ["credit-blue"]


def test_patch_lines_move_the_selector_to_green_and_back() -> None:
    service = only("Service", "credit")
    seen = []
    for command in lines("kubectl -n models patch"):
        options = dict(zip(command[-2:-1], command[-1:], strict=True))
        assert command[:-2] == ["kubectl", "-n", "models", "patch", "service", "credit"]
        after = patched(service, json.loads(options["-p"]))
        assert {**after, "spec": None} == {**service, "spec": None}
        assert after["spec"]["ports"] == service["spec"]["ports"]
        service = after
        seen.append(pods_of(service))

    assert seen == [["credit-green"], ["credit-blue"]]
    assert service == only("Service", "credit")


def test_understudy_lines_switch_the_same_slots_of_the_same_service() -> None:
    commands = lines("understudy")

    assert [command[1:] for command in commands] == [
        ["service", "apply", "-f", "examples/blue-green.yaml"],
        ["deploy", "credit", "green"],
        ["switch", "credit", "green"],
        ["rollback", "credit"],
    ]
    assert {command[1] for command in commands} <= VERBS.keys()
