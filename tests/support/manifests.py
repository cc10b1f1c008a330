"""The Kubernetes manifests of `deploy/`, read once as plain values."""

import functools
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One Kubernetes object, and the file it stands in."""

    path: pathlib.Path
    content: Any

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    @property
    def name(self) -> str:
        return str(self.content["metadata"]["name"])

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}-{self.kind}-{self.name}"


@functools.cache
def read(path: pathlib.Path) -> list[Any]:
    """Every YAML document of a file; a duplicate key is an error. Not to be changed by who reads it."""
    return list(YAML(typ="safe", pure=True).load_all(path.read_text()))


def kustomizations() -> list[pathlib.Path]:
    return sorted(KUBERNETES.rglob("kustomization.yaml"))


def manifests(*kinds: str, under: str = "") -> list[Manifest]:
    """All objects of `kinds` (default: any) in the files of one directory (default: all)."""
    return [each for each in _all(KUBERNETES / under) if not kinds or each.kind in kinds]


def only(kind: str, name: str) -> Any:
    """The one object of a kind and name."""
    (found,) = [each for each in manifests(kind) if each.name == name]
    return found.content


def _all(directory: pathlib.Path) -> Iterator[Manifest]:
    for path in sorted(set(directory.rglob("*.yaml")) - set(kustomizations())):
        for content in read(path):
            yield Manifest(path, content)


def pod(deployment: Manifest) -> Any:
    """A Deployment's pod spec."""
    return deployment.content["spec"]["template"]["spec"]


def containers(deployment: Manifest) -> list[Any]:
    return [*pod(deployment).get("initContainers", []), *pod(deployment)["containers"]]


def sidecar(deployment: Manifest) -> Any:
    """The sidecar's container."""
    (found,) = [each for each in containers(deployment) if each["name"] == "understudy"]
    return found


def config_map(deployment: Manifest) -> Any:
    """The ConfigMap that a Deployment's pods mount at /etc/understudy."""
    (volume,) = [each for each in pod(deployment)["volumes"] if each["name"] == "config"]
    return only("ConfigMap", volume["configMap"]["name"])


def with_sidecar() -> list[Manifest]:
    return [each for each in manifests("Deployment") if "initContainers" in pod(each)]


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()
