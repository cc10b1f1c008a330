"""Every manifest is what Kubernetes takes, and is applied by the kustomization beside it."""

import kubernetes_validate
import pytest

from tests.support.manifests import KUBERNETES, Manifest, kustomizations, manifests, read

OLDEST = "1.30"  # the first with both native sidecars and the sleep action
NEWEST = kubernetes_validate.utils.major_minor(kubernetes_validate.utils.latest_version())
APPLIED_BY_HAND = {KUBERNETES / "model" / "v2.yaml"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", manifests(), ids=str)
def test_validates_strictly(manifest: Manifest, version: str) -> None:
    assert kubernetes_validate.validate(manifest.content, version, strict=True) == version


def test_the_validator_refuses_what_kubernetes_would() -> None:
    (manifest,) = manifests("Namespace")

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**manifest.content, "labels": {}}, OLDEST, strict=True)


def test_names_are_unique() -> None:
    names = [(each.kind, each.name) for each in manifests()]

    assert len(names) == len(set(names))


def test_every_manifest_is_applied_by_a_kustomization() -> None:
    listed = {
        (file.parent / name).resolve() for file in kustomizations() for name in read(file)[0]["resources"]
    }

    assert all(path.exists() for path in listed)
    assert {path for path in listed if path.is_file()} == {
        each.path for each in manifests()
    } - APPLIED_BY_HAND


@pytest.mark.parametrize("file", kustomizations(), ids=lambda file: file.parent.name)
def test_kustomizations_keep_to_the_one_namespace(file: object) -> None:
    (namespace,) = manifests("Namespace")
    (kustomization,) = read(file)

    assert kustomization["kind"] == "Kustomization"
    assert kustomization.get("namespace", namespace.name) == namespace.name
    assert "namespace" in kustomization or "namespace.yaml" in kustomization["resources"]


def test_the_namespace_enforces_the_restricted_standard() -> None:
    (namespace,) = manifests("Namespace")

    assert namespace.content["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
