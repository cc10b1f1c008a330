"""The files inside the ConfigMaps are valid, and agree with the manifests around them and the examples."""

import pathlib
from typing import Any

import pytest
from understudy.checks.targets import parse_target
from understudy.v1 import service_pb2, sidecar_pb2

from tests.support.files import check, load
from tests.support.manifests import EXAMPLES, Manifest, manifests, only, selects, with_sidecar


def files() -> list[tuple[str, str, str]]:
    return [
        (each.name, name, text)
        for each in manifests("ConfigMap")
        for name, text in each.content["data"].items()
    ]


def sidecar_config(name: str, tmp_path: pathlib.Path) -> sidecar_pb2.Sidecar:
    file = tmp_path / "sidecar.yaml"
    file.write_text(only("ConfigMap", name)["data"]["sidecar.yaml"])
    return load(file)


@pytest.mark.parametrize(("config_map", "name", "text"), files(), ids=lambda value: str(value)[:20])
def test_every_embedded_file_passes_the_checks(
    config_map: str, name: str, text: str, tmp_path: pathlib.Path
) -> None:
    file = tmp_path / f"{config_map}-{name}"
    file.write_text(text)

    assert check(file) == []


def test_a_mistake_in_an_embedded_file_would_be_found(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "sidecar.yaml"
    text = only("ConfigMap", "fraud-sidecar")["data"]["sidecar.yaml"]
    file.write_text(text.replace("weights: {v1: 100}", "weights: {v9: 100}"))

    assert ["service.routes[0].split.weights.v9" in each for each in check(file)] == [True]
    file.write_text(text.replace("drain_delay", "drain_dealy"))
    assert ["drain_dealy" in each for each in check(file)] == [True]


@pytest.mark.parametrize(
    ("config_map", "example"), [("fraud-sidecar", "service.yaml"), ("credit-sidecar", "blue-green.yaml")]
)
def test_sidecars_start_with_the_example_service(
    config_map: str, example: str, tmp_path: pathlib.Path
) -> None:
    config = sidecar_config(config_map, tmp_path)

    assert config.service == load(EXAMPLES / example)
    assert config.subscribe == config.service.name


@pytest.mark.parametrize("config_map", ["fraud-sidecar", "credit-sidecar"])
def test_sidecars_find_the_control_service(config_map: str, tmp_path: pathlib.Path) -> None:
    host, _, port = sidecar_config(config_map, tmp_path).control.rpartition(":")
    ports = only("Service", host)["spec"]["ports"]

    assert int(port) in [each["port"] for each in ports if each["name"] == "grpc"]


@pytest.mark.parametrize("config_map", ["fraud-sidecar", "credit-sidecar"])
def test_every_variant_is_a_headless_service_of_its_own_pods(config_map: str, tmp_path: pathlib.Path) -> None:
    for variant in sidecar_config(config_map, tmp_path).service.variants:
        ((host, port),) = parse_target(variant.target).endpoints
        spec: Any = only("Service", host)["spec"]

        assert spec["clusterIP"] == "None", "all addresses are used, not one chosen per connection"
        assert spec["publishNotReadyAddresses"] is True, "no pod is ready before its sidecar reaches one"
        assert [each["port"] for each in spec["ports"]] == [port]
        assert [each.name for each in with_sidecar() if selects(spec["selector"], _labels(each))] == [host]


def test_variant_versions_are_the_models_that_run(tmp_path: pathlib.Path) -> None:
    for name in ("fraud-sidecar", "credit-sidecar"):
        service = sidecar_config(name, tmp_path).service

        assert [_image_version(service, variant.name) for variant in service.variants] == [
            variant.version for variant in service.variants
        ]


def test_control_listens_where_its_pod_says(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "control.yaml"
    file.write_text(only("ConfigMap", "understudy-control")["data"]["control.yaml"])
    config = load(file)
    deployment = only("Deployment", "understudy-control")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}

    assert config.listen == f"0.0.0.0:{ports['grpc']}"
    assert config.http == f"0.0.0.0:{ports['http']}"
    assert container["args"] == ["control", "--config", "/etc/understudy/control.yaml"]


def _labels(deployment: Manifest) -> dict[str, str]:
    labels: dict[str, str] = deployment.content["spec"]["template"]["metadata"]["labels"]
    return labels


def _image_version(service: service_pb2.Service, variant: str) -> str:
    spec = only("Deployment", f"{service.name}-{variant}")["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"]).rpartition(":")[2]
