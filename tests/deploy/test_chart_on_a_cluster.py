"""What the chart and the overlays render, shown to a real API server: each form is accepted, without a warning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.deploy.kustomize import DEPLOY, Object, render
from tests.helm import Helm

from imagecache_controlplane import ApiError
from imagecache_playground.cluster import Cluster, manifests
from imagecache_playground.processes import wait_for

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
MONITORING = "/apis/monitoring.coreos.com/v1"

FORMS: dict[str, Object] = {
    "default": {},
    "several replicas": {"replicas": 3},
    "no leader election": {"leaderElection": False},
    "some namespaces": {"namespaces": ["team-a", "team-b"]},
    "namespaced credentials": {"namespacedCredentials": True},
    "namespaced credentials in some namespaces": {"namespacedCredentials": True, "namespaces": ["team-a"]},
    "credentials of objects alone": {"namespacedCredentials": True, "credentials": {"source": "none"}},
    "pod identity": {"credentials": {"source": "podIdentity"}, "serviceAccount": {"annotations": {"a": "b"}}},
    "oidc": {"credentials": {"source": "oidc", "oidc": {"providerURN": "iam::p", "agencyURN": "iam::a"}}},
    "no CRD": {"crds": {"install": False}},
    "finalizer policy": {"finalizerPolicy": {"enabled": True}},
    "finalizer policy in some namespaces": {"finalizerPolicy": {"enabled": True}, "namespaces": ["team-a"]},
    "no uninstall guard": {"uninstall": {"guard": False}},
    "release at uninstall": {"uninstall": {"release": True}},
    "release at uninstall in some namespaces": {"uninstall": {"release": True}, "namespaces": ["team-a"]},
    "no metrics": {"metrics": {"enabled": False}},
    "service monitor": {"serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}}},
    "alerts": {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}},
    "dashboard": {"dashboard": {"enabled": True, "annotations": {"grafana_folder": "Operators"}}},
    "network policy": {
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}],
        }
    },
    "disruption budget": {"podDisruptionBudget": {"enabled": True}},
    "pods as one likes": {
        "image": {"repository": "registry.example.com/ops/imagecache", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "podLabels": {"team": "ops"},
        "podAnnotations": {"note": "1"},
        "nodeSelector": {"pool": "ops"},
        "tolerations": [{"key": "ops", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        "commonLabels": {"example.com/team": "ops"},
        "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["cce.cn-north-4.myhuaweicloud.com"]}],
        "revisionHistoryLimit": 3,
        "resources": None,
    },
    "as many names and labels as there can be": {"nameOverride": "n" * 63, "fullnameOverride": "f" * 63},
    "service monitor with rules of one's own": {
        "serviceMonitor": {
            "enabled": True,
            "relabelings": [{"action": "labeldrop", "regex": "pod"}],
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}],
        }
    },
    "the cluster chooses the user": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
    },
}


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Iterator[Cluster]:
    """The shared cluster with two definitions of the Prometheus operator, and namespaces that forms name."""
    path = Path(__file__).with_name("monitoring-crds.yaml")
    cluster.kubectl("apply", "--server-side", "-f", str(path))
    for name in ("team-a", "team-b"):
        cluster.create_namespace(name)

    def served() -> bool:
        try:
            return {"servicemonitors", "prometheusrules"} <= {
                each["name"] for each in cluster.plane.request("GET", MONITORING)["resources"]
            }
        except ApiError:
            return False

    wait_for(served, what="the definitions are served", seconds=30)
    yield cluster
    cluster.kubectl("delete", "-f", str(path))
    for name in ("team-a", "team-b"):
        cluster.plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def restricted(prepared: Cluster, namespace_name: str) -> Iterator[str]:
    """A namespace that enforces pod security `restricted`, and warns of it."""
    prepared.plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace_name, "labels": RESTRICTED}})
    yield namespace_name
    prepared.plane.request("DELETE", f"/api/v1/namespaces/{namespace_name}")


def dry_run(cluster: Cluster, documents: list[Object]) -> int:
    """Apply without effect; a warning, an unknown field and a refusal are errors. Returns how many were taken."""
    said = cluster.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "--warnings-as-errors",
        "-f",
        "-",
        stdin=manifests(documents),
    )
    return said.count("(server dry run)")


def pods_of(documents: list[Object]) -> list[Object]:
    """Pods made of each template among the documents, as the controllers of Deployments and Jobs would."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{document['kind'].lower()}-pod",
                "namespace": document["metadata"]["namespace"],
                "labels": document["spec"]["template"]["metadata"]["labels"],
            },
            "spec": document["spec"]["template"]["spec"],
        }
        for document in documents
        if document["kind"] in {"Deployment", "Job"}
    ]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_accepted(prepared: Cluster, helm: Helm, restricted: str, form: str) -> None:
    """Every document of the chart, with uninstall guard and doctor, and every pod, in a restricted namespace."""
    documents = helm.template(FORMS[form], namespace=restricted)
    # A pod is refused before its account is there, also in a dry run.
    accounts = [each for each in documents if each["kind"] == "ServiceAccount"]
    prepared.kubectl("apply", "-f", "-", stdin=manifests(accounts))
    pods = pods_of(documents)
    assert {pod["metadata"]["name"] for pod in pods} <= {"deployment-pod", "job-pod"}
    assert dry_run(prepared, documents + pods) == len(documents) + len(pods) > 10


@pytest.mark.parametrize("overlay", sorted(path.name for path in (DEPLOY / "kustomize" / "overlays").iterdir()))
def test_each_overlay_is_accepted(prepared: Cluster, overlay: str) -> None:
    """Every document that `kubectl kustomize` makes of it is taken as it is."""
    documents = render(DEPLOY / "kustomize" / "overlays" / overlay)
    assert dry_run(prepared, documents) == len(documents)


def test_the_monitoring_component_is_accepted(prepared: Cluster, overlay: Callable[..., list[Object]]) -> None:
    """The base with it, as `kubectl kustomize` renders it."""
    documents = overlay("monitoring")
    assert dry_run(prepared, documents) == len(documents)


def test_what_is_accepted_is_looked_at(prepared: Cluster, helm: Helm, restricted: str) -> None:
    """The same check refuses a misspelt field, a warning, and a time that Prometheus could not read."""
    documents = helm.template({"serviceMonitor": {"enabled": True}}, namespace=restricted)
    deployment = next(each for each in documents if each["kind"] == "Deployment")
    monitor = next(each for each in documents if each["kind"] == "ServiceMonitor")

    def refusal(document: Object) -> str:
        try:
            dry_run(prepared, [document])
        except RuntimeError as error:
            return str(error)
        return "taken"

    assert refusal(deployment) == "taken"
    misspelt = yaml.safe_load(yaml.safe_dump(deployment).replace("replicas:", "replica:"))
    assert 'unknown field "replica"' in refusal(misspelt)
    loose = yaml.safe_load(yaml.safe_dump(deployment).replace("runAsNonRoot: true", "runAsNonRoot: false"))
    assert "PodSecurity" in refusal(loose)
    odd = yaml.safe_load(yaml.safe_dump(monitor).replace("path: /metrics", "interval: often"))
    assert "interval" in refusal(odd)
