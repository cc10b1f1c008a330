"""Pods start, drain and are locked down as the design says."""

import re
import tomllib
from typing import Any

import pytest
from understudy.checks.numbers import seconds
from understudy.loading import load_file
from understudy.loading.units import parse_bytes
from understudy.v1 import sidecar_pb2

from proxy.cli import drain
from tests.support.manifests import (
    ROOT,
    Manifest,
    config_map,
    containers,
    manifests,
    pod,
    read,
    selects,
    sidecar,
    with_sidecar,
)

every_deployment = pytest.mark.parametrize("deployment", manifests("Deployment"), ids=str)
every_sidecar = pytest.mark.parametrize("deployment", with_sidecar(), ids=str)


@pytest.fixture
def config(deployment: Manifest, tmp_path: Any) -> sidecar_pb2.Sidecar:
    """The configuration that the pod's sidecar is started with."""
    file = tmp_path / "sidecar.yaml"
    file.write_text(config_map(deployment)["data"]["sidecar.yaml"])
    return load_file(file, "Sidecar")


def test_all_model_pods_carry_the_sidecar() -> None:
    assert {each.name for each in with_sidecar()} == {"fraud-v1", "fraud-v2", "credit-blue", "credit-green"}


@every_deployment
def test_selector_matches_its_own_pods(deployment: Manifest) -> None:
    spec = deployment.content["spec"]

    assert selects(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"])


@every_deployment
def test_containers_are_restricted(deployment: Manifest) -> None:
    for container in containers(deployment):
        security = container["securityContext"]

        assert security["runAsNonRoot"] is True
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "privileged" not in security


@every_deployment
def test_pods_get_nothing_of_the_cluster_or_the_host(deployment: Manifest) -> None:
    spec = pod(deployment)

    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir", "persistentVolumeClaim"}


@every_deployment
def test_mounts_have_their_volumes_and_containers_their_bounds(deployment: Manifest) -> None:
    volumes = {volume["name"] for volume in pod(deployment)["volumes"]}

    for container in containers(deployment):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]


@every_deployment
def test_our_image_has_this_version_and_our_uid(deployment: Manifest) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ours = [each for each in containers(deployment) if each["image"].startswith("understudy:")]

    assert [each["image"] for each in ours] == [f"understudy:{version}"]
    security = {**pod(deployment)["securityContext"], **ours[0]["securityContext"]}
    assert (security["runAsUser"], security["runAsGroup"]) == (65532, 65532)


@every_sidecar
def test_sidecar_is_native(deployment: Manifest) -> None:
    assert [each["name"] for each in pod(deployment)["initContainers"]] == ["understudy"]
    assert sidecar(deployment)["restartPolicy"] == "Always"
    assert sidecar(deployment)["args"] == ["proxy", "--config", "/etc/understudy/sidecar.yaml"]


def test_sidecar_is_the_same_in_all_pods() -> None:
    first, *others = with_sidecar()

    assert all(sidecar(other) == sidecar(first) for other in others)


@pytest.mark.parametrize(("first", "second"), [("fraud-v1", "fraud-v2"), ("credit-blue", "credit-green")])
def test_variants_differ_in_name_and_model_only(first: str, second: str) -> None:
    def plain(name: str) -> str:
        (path,) = [each.path for each in with_sidecar() if each.name == name]
        text = repr([{**each, "apiVersion": ""} for each in read(path)])
        text = text.replace(f"'{name}'", "NAME").replace(f"'{path.stem}'", "VARIANT")
        return re.sub(r"model:\d\.\d\.\d", "MODEL", text)

    assert plain(first) == plain(second)


@every_sidecar
@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/healthz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")],
)
def test_sidecar_is_probed_on_its_status_port(
    deployment: Manifest, config: sidecar_pb2.Sidecar, probe: str, path: str
) -> None:
    container = sidecar(deployment)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    request = container[probe]["httpGet"]

    assert request["path"] == path
    assert ports[request["port"]] == _port(config.status) == 7072


@every_sidecar
def test_sidecar_has_a_minute_to_start(deployment: Manifest) -> None:
    probe = sidecar(deployment)["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] >= 60


@every_sidecar
def test_drain_fits_into_the_grace_period(deployment: Manifest, config: sidecar_pb2.Sidecar) -> None:
    drain = seconds(config.drain_delay) + seconds(config.drain_timeout)
    (model,) = pod(deployment)["containers"]
    asleep = model["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert sidecar(deployment)["lifecycle"]["preStop"]["exec"]["command"] == ["understudy", "drain"]
    assert config.drain_delay.seconds > 0
    assert drain < asleep, "the model would be gone before the calls are"
    assert asleep < pod(deployment)["terminationGracePeriodSeconds"]


@every_sidecar
def test_ports_are_those_of_the_embedded_config(deployment: Manifest, config: sidecar_pb2.Sidecar) -> None:
    ports = {each["name"]: each["containerPort"] for each in sidecar(deployment)["ports"]}

    assert ports == {"grpc": _port(config.listen), "status": _port(config.status)}
    assert config.admin == "127.0.0.1:7071", "`understudy drain` asks there, and nobody else may"


@every_sidecar
def test_mirrors_and_state_fit_into_the_container(deployment: Manifest, config: sidecar_pb2.Sidecar) -> None:
    container = sidecar(deployment)
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod(deployment)["volumes"]}

    assert config.limits.mirror_bytes * 2 <= parse_bytes(container["resources"]["limits"]["memory"] + "B")
    assert "emptyDir" in volumes[mounts[config.state_dir]["name"]]
    assert mounts["/etc/understudy"]["readOnly"] is True


@every_sidecar
def test_the_hook_asks_where_the_sidecar_listens_and_waits_long_enough(
    config: sidecar_pb2.Sidecar,
) -> None:
    defaults = {option.name: option.default for option in drain.params}

    assert defaults["admin"] == config.admin
    assert defaults["timeout"] >= seconds(config.drain_delay) + seconds(config.drain_timeout)


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
