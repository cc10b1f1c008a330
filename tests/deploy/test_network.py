"""Services lead somewhere, and network policies let in whom they should and nobody else."""

from typing import Any, cast

import pytest

from control.views import Views
from control.web.app import build_app
from tests.support.manifests import Manifest, containers, manifests, only, selects

SIDECAR = {"understudy": "sidecar"}
OPERATOR = {"understudy": "operator"}
MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
ADMIN = 7071


def labels(deployment: Manifest) -> dict[str, str]:
    found: dict[str, str] = deployment.content["spec"]["template"]["metadata"]["labels"]
    return found


def who(policy: Any) -> dict[int, Any]:
    """Port to the peers it is open to; None is everybody."""
    return {
        port["port"]: rule.get("from") for rule in policy["spec"]["ingress"] for port in rule.get("ports", [])
    }


@pytest.mark.parametrize("service", manifests("Service"), ids=str)
def test_every_service_leads_to_a_container_port(service: Manifest) -> None:
    spec = service.content["spec"]
    pods = [each for each in manifests("Deployment") if selects(spec["selector"], labels(each))]

    assert pods
    for deployment in pods:
        ports = [port for each in containers(deployment) for port in each["ports"]]
        open_at = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
        assert {port["targetPort"] for port in spec["ports"]} <= open_at


def test_the_admin_port_is_offered_nowhere() -> None:
    container_ports = [
        port["containerPort"]
        for deployment in manifests("Deployment")
        for each in containers(deployment)
        for port in each["ports"]
    ]
    service_ports = [
        port[key]
        for service in manifests("Service")
        for port in service.content["spec"]["ports"]
        for key in ("port", "targetPort")
    ]
    policy_ports = [port for policy in manifests("NetworkPolicy") for port in who(policy.content)]

    assert ADMIN not in [*container_ports, *service_ports, *policy_ports]


@pytest.mark.parametrize("deployment", manifests("Deployment"), ids=str)
def test_every_pod_is_closed_but_for_one_policy(deployment: Manifest) -> None:
    (policy,) = [
        each.content
        for each in manifests("NetworkPolicy")
        if selects(each.content["spec"]["podSelector"]["matchLabels"], labels(deployment))
    ]

    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert all(rule.get("ports") for rule in policy["spec"]["ingress"]), "a rule without ports opens them all"
    ports = {each["containerPort"] for one in containers(deployment) for each in one["ports"]}
    assert who(policy).keys() == ports


def test_control_is_for_sidecars_and_operators() -> None:
    assert who(only("NetworkPolicy", "understudy-control")) == {
        7080: [{"podSelector": {"matchLabels": SIDECAR}}, {"podSelector": {"matchLabels": OPERATOR}}],
        7081: [{"podSelector": {"matchLabels": OPERATOR}}],
    }


def test_a_model_is_for_callers_through_its_sidecars() -> None:
    own_sidecars = {"app.kubernetes.io/name": "fraud", **SIDECAR}

    assert who(only("NetworkPolicy", "fraud")) == {
        7070: None,
        7072: [{"namespaceSelector": {"matchLabels": MONITORING}}],
        8001: [{"podSelector": {"matchLabels": own_sidecars}}],
    }


def test_control_is_probed_where_it_answers() -> None:
    (container,) = only("Deployment", "understudy-control")["spec"]["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    pages = {getattr(route, "path", "") for route in build_app(cast("Views", object())).routes}

    for probe in ("startupProbe", "livenessProbe"):
        assert ports[container[probe]["httpGet"]["port"]] == 7081
        assert container[probe]["httpGet"]["path"] in pages
    assert ports[container["readinessProbe"]["tcpSocket"]["port"]] == 7080


def test_control_is_one_process_with_one_database() -> None:
    deployment = only("Deployment", "understudy-control")
    pod = deployment["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}

    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert only("PersistentVolumeClaim", volumes["store"]["persistentVolumeClaim"]["claimName"])
    assert mounts["store"] == "/var/lib/understudy"
