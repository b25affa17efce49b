"""The deployment base: accepted by a real API server, allowed no more than it needs, fit for a restricted namespace."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.roles import permissions

from imagecache_controlplane import ApiError
from imagecache_operator import __version__
from imagecache_operator.cli import main
from imagecache_operator.names import GROUP
from imagecache_operator.settings_loading import load_settings
from imagecache_playground.cluster import Cluster, KubectlError

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
USER = "system:serviceaccount:imagecache-system:imagecache-operator"
CRDS = "apiextensions.k8s.io/customresourcedefinitions"
OUR_CRD = f"imagecaches.{GROUP}"

Object = dict[str, Any]


@pytest.fixture
def container(base: dict[str, Object]) -> Object:
    """The operator's container."""
    (only,) = base["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_the_base_has_all_and_no_more(base: dict[str, Object]) -> None:
    """Ten documents; the credentials are the user's to add."""
    assert base.keys() == {
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "ConfigMap imagecache-retained",
        "Deployment",
    }


def test_the_api_server_takes_every_document(cluster: Cluster) -> None:
    """A server-side dry run, with strict validation, says yes ten times."""
    said = cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", str(DEPLOY / "kustomize" / "base")
    )
    assert said.count("(server dry run)") == len(said.splitlines()) == 10


def test_the_example_of_credentials_is_accepted(cluster: Cluster) -> None:
    """The Secret to be filled in has the type and the name that are looked for."""
    path = DEPLOY / "kustomize" / "base" / "credentials.example.yaml"
    found = json.loads(cluster.kubectl("apply", "--dry-run=server", "-o", "json", "-f", str(path)))
    assert found["type"] == f"{GROUP}/credentials"
    assert found["metadata"]["name"] == "imagecache-credentials"
    assert found["data"].keys() == {"accessKey", "secretKey"}


def test_the_pod_is_fit_for_its_namespace(cluster: Cluster, base: dict[str, Object], namespace_name: str) -> None:
    """A namespace with the labels of ours takes the pod, and refuses one that asks for more."""
    plane = cluster.plane
    labels = base["Namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace_name, "labels": labels}})
    try:
        root = f"/api/v1/namespaces/{namespace_name}"
        plane.request("POST", f"{root}/serviceaccounts", {"metadata": {"name": "imagecache-operator"}})
        template = base["Deployment"]["spec"]["template"]
        pod = {"metadata": {"name": "operator", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
        assert plane.request("POST", f"{root}/pods?dryRun=All", pod)["kind"] == "Pod"
        loose = deepcopy(pod)
        loose["spec"]["containers"][0]["securityContext"]["capabilities"] = {"add": ["SYS_ADMIN"]}
        with pytest.raises(ApiError, match="violates PodSecurity"):
            plane.request("POST", f"{root}/pods?dryRun=All", loose)
    finally:
        plane.request("DELETE", f"/api/v1/namespaces/{namespace_name}")


def test_the_container_is_locked_down(container: Object, base: dict[str, Object]) -> None:
    """Not root, nothing writable, no capability, no more than it needs to live on."""
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    pod = base["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["resources"] == {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}


def test_the_new_pod_stands_by_before_the_old_one_ends(base: dict[str, Object]) -> None:
    """With leader election an upgrade leaves no gap."""
    spec = base["Deployment"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_the_image_is_of_this_version(container: Object) -> None:
    """The base of a version runs that version."""
    assert container["image"].rsplit(":", 1)[1] == __version__


def test_probes_ask_where_the_operator_answers(container: Object, settings_of_the_pod: Object) -> None:
    """Ports of the container are the ports of the settings; both probes ask the health port."""
    settings, _ = load_settings({}, settings_of_the_pod)
    assert settings.metrics_address
    assert settings.health_address
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": settings.metrics_address[1], "health": settings.health_address[1]}
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["port"] for probe in probes.values()} == {"health"}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }


@pytest.fixture
def settings_of_the_pod(base: dict[str, Object], container: Object, tmp_path: Path) -> dict[str, str]:
    """The environment that Kubernetes gives the operator; the credentials' folder is there and empty."""
    (source,) = container["envFrom"]
    assert source["configMapRef"]["name"] == base["ConfigMap"]["metadata"]["name"] == "imagecache-operator"
    own = {item["name"]: item["value"] for item in container["env"]}
    (mount,) = container["volumeMounts"]
    assert own["IMAGECACHE_CREDENTIALS_DIR"] == mount["mountPath"] == "/etc/imagecache/credentials"
    pod = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    return {**base["ConfigMap"]["data"], **own, **pod, "IMAGECACHE_CREDENTIALS_DIR": str(tmp_path)}


def test_the_settings_are_right(settings_of_the_pod: dict[str, str]) -> None:
    """The operator starts with them, also before there are credentials and a region; none is misspelt."""
    settings, odd = load_settings({}, settings_of_the_pod)
    assert odd == []
    assert settings.region is None
    assert settings.log_json


def test_credentials_may_come_later(base: dict[str, Object]) -> None:
    """The Secret is optional, so the pod starts without it and says what is missing; the group may read it."""
    (volume,) = base["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"] == {"secretName": "imagecache-credentials", "optional": True, "defaultMode": 0o440}


def test_the_crd_in_the_base_is_the_one_printed(base: dict[str, Object], capsys: pytest.CaptureFixture[str]) -> None:
    """`imagecache-operator crd` and the base do not part."""
    import yaml

    assert main(["crd"]) == 0
    assert base["CustomResourceDefinition"]["spec"] == yaml.safe_load(capsys.readouterr().out)["spec"]


def allowed(cluster: Cluster, verb: str, resource: str, name: str = "", namespace: str = "") -> bool:
    """Whether the operator's service account may do it; resource: `group/plural`, or `plural` of the core group."""
    group, _, plural = resource.rpartition("/") if resource.count("/") == 1 else ("", "", resource)
    subresource = ""
    if resource.count("/") == 2:
        group, plural, subresource = resource.split("/")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": subresource,
        "name": name,
        "namespace": namespace,
    }
    review = cluster.plane.request(
        "POST",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {"spec": {"user": USER, "groups": ["system:serviceaccounts"], "resourceAttributes": attributes}},
    )
    return bool(review["status"]["allowed"])


@pytest.mark.parametrize(
    ("verb", "resource", "name"),
    [
        ("get", f"{GROUP}/imagecaches", ""),
        ("list", f"{GROUP}/imagecaches", ""),
        ("watch", f"{GROUP}/imagecaches", ""),
        ("patch", f"{GROUP}/imagecaches", ""),
        ("patch", f"{GROUP}/imagecaches/status", ""),
        ("create", "events", ""),
        ("get", CRDS, OUR_CRD),
    ],
)
def test_the_operator_may(cluster: Cluster, verb: str, resource: str, name: str) -> None:
    """What it does, in any namespace."""
    assert allowed(cluster, verb, resource, name)


@pytest.mark.parametrize(
    ("verb", "resource", "name"),
    [
        ("create", f"{GROUP}/imagecaches", ""),
        ("update", f"{GROUP}/imagecaches", ""),
        ("delete", f"{GROUP}/imagecaches", ""),
        ("deletecollection", f"{GROUP}/imagecaches", ""),
        ("update", f"{GROUP}/imagecaches/status", ""),
        ("get", "secrets", ""),
        ("list", "secrets", ""),
        ("get", "configmaps", ""),
        ("list", "events", ""),
        ("patch", "events", ""),
        ("list", "namespaces", ""),
        ("get", "pods", ""),
        ("get", "coordination.k8s.io/leases", ""),
        ("get", CRDS, "widgets.example.com"),
        ("list", CRDS, ""),
        ("patch", CRDS, OUR_CRD),
        ("delete", CRDS, OUR_CRD),
    ],
)
def test_the_operator_may_not(cluster: Cluster, verb: str, resource: str, name: str) -> None:
    """What it does not do, in its own namespace either."""
    assert not allowed(cluster, verb, resource, name)
    assert not allowed(cluster, verb, resource, name, namespace="imagecache-system")


def test_the_role_has_no_rule_beside_these(base: dict[str, Object]) -> None:
    """The whole role, so that a new right needs a word here."""
    assert permissions([base["ClusterRole"], base["Role"]]) == {
        (GROUP, "imagecaches", "get"),
        (GROUP, "imagecaches", "list"),
        (GROUP, "imagecaches", "watch"),
        (GROUP, "imagecaches", "patch"),
        (GROUP, "imagecaches/status", "patch"),
        ("", "events", "create"),
        ("", "configmaps/imagecache-retained", "get"),
        ("", "configmaps/imagecache-retained", "patch"),
        ("coordination.k8s.io", "leases", "create"),
        ("coordination.k8s.io", "leases/imagecache-operator", "get"),
        ("coordination.k8s.io", "leases/imagecache-operator", "watch"),
        ("coordination.k8s.io", "leases/imagecache-operator", "update"),
        ("apiextensions.k8s.io", f"customresourcedefinitions/{OUR_CRD}", "get"),
    }


def test_a_wrong_manifest_is_told_by_kubectl(cluster: Cluster) -> None:
    """A misspelt field in a manifest stops `kubectl apply` with its name."""
    text = (DEPLOY / "samples" / "retain.yaml").read_text(encoding="utf-8").replace("deletionPolicy", "deletePolicy")
    with pytest.raises(KubectlError, match=r'unknown field "spec\.deletePolicy"'):
        cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)
