"""The Helm chart by itself: sound, documented, strict about its values, and up to date with what it copies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm import CHART, KUBERNETES, Helm, HelmError, Object, is_hook

from imagecache_operator import __version__

ROOT = Path(__file__).resolve().parents[2]
VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
FREE = {
    "global",
    "settings.cceEndpointByRegion",
    "serviceAccount.annotations",
    "metrics.service.annotations",
    "serviceMonitor.labels",
    "prometheusRule.labels",
    "dashboard.labels",
    "dashboard.annotations",
    "resources.requests",
    "resources.limits",
    "podAnnotations",
    "podLabels",
    "nodeSelector",
    "affinity",
}
"""Values with keys of the user's own, or of Kubernetes."""


def test_helm_finds_no_fault(helm: Helm) -> None:
    """`helm lint --strict`: warnings are errors."""
    assert "1 chart(s) linted, 0 chart(s) failed" in helm.run(
        "lint", "--strict", "--kube-version", KUBERNETES, str(CHART)
    )


def test_chart_and_operator_have_one_version() -> None:
    """The chart of a version installs that version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == __version__


def test_copies_are_up_to_date() -> None:
    """What the chart takes from elsewhere in the repository is the same there, byte for byte, and in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    copied = re.search(r"^COPIED := (.+)$", makefile, re.MULTILINE)
    assert copied
    crd = "crds/cce.huaweicloud.com_imagecaches.yaml"
    sources = {Path(name).name: ROOT / name for name in copied[1].replace("$(CRD)", crd).split()}
    copies = {path.name: path for path in (CHART / "files").iterdir()}
    assert copies.keys() == sources.keys()
    assert {name for name, path in copies.items() if path.read_bytes() != sources[name].read_bytes()} == set()


def test_every_document_has_its_place(helm: Helm) -> None:
    """By default: the base of kustomize but its namespace, a Service for metrics, uninstall guard and doctor."""
    kinds = [document["kind"] for document in helm.template() if not is_hook(document)]
    assert sorted(kinds) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "ConfigMap",
        "CustomResourceDefinition",
        "Deployment",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ]
    hooks = [document["kind"] for document in helm.template() if is_hook(document)]
    assert sorted(hooks) == ["ClusterRole", "ClusterRoleBinding", "Job", "Pod", "ServiceAccount"]


# --- values and their schema


def _leaves(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """Every value that the schema knows, by its dotted name; objects of ours are looked into."""
    for name, part in schema.get("properties", {}).items():
        dotted = f"{path}.{name}".lstrip(".")
        yield dotted, part
        yield from _leaves(part, dotted)


def _given(values: Object, path: str = "") -> Iterator[str]:
    for name, value in values.items():
        dotted = f"{path}.{name}".lstrip(".")
        yield dotted
        if isinstance(value, dict) and dotted not in FREE:
            yield from _given(value, dotted)


def test_schema_and_values_know_the_same_names() -> None:
    """Nothing can be set that values.yaml does not show; `claims` and `global` are those of Kubernetes and of helm."""
    known = {name for name, _ in _leaves(SCHEMA)}
    assert known - set(_given(yaml.safe_load(VALUES))) == {"global", "resources.claims"}
    assert set(_given(yaml.safe_load(VALUES))) <= known


def test_the_schema_is_strict() -> None:
    """A name that is not known is refused everywhere but where names are the user's own."""
    objects = {name for name, part in _leaves(SCHEMA) if part.get("type") == "object"}
    closed = {name for name, part in _leaves(SCHEMA) if part.get("additionalProperties") is False}
    assert SCHEMA["additionalProperties"] is False
    assert objects - closed == FREE


def test_every_value_has_a_comment() -> None:
    """A comment stands above each value, or above it and at most two others."""
    bare = []
    since = 99
    for line in VALUES.splitlines():
        if line.strip().startswith("#"):
            since = 0
        elif re.match(r" *\w+: ", line):
            since += 1
            if since > 3:
                bare.append(line.strip())
        elif not line.strip():
            since = 99
    assert bare == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"regoin": "cn-north-4"}, "additional properties 'regoin' not allowed"),
        ({"settings": {"regoin": "cn-north-4"}}, "at '/settings': additional properties 'regoin' not allowed"),
        ({"settings": {"region": "CN North"}}, "at '/settings/region': 'CN North' does not match pattern"),
        ({"settings": {"projectID": "abc"}}, "at '/settings/projectID'"),
        ({"settings": {"activeInterval": 0.01}}, "at '/settings/activeInterval': minimum: got 0.01, want 0.1"),
        ({"settings": {"activeInterval": "0.01"}}, "at '/settings/activeInterval': '0.01' does not match pattern"),
        ({"settings": {"cceEndpoint": "foo"}}, "at '/settings/cceEndpoint': 'foo' does not match pattern"),
        ({"settings": {"cceEndpointByRegion": {"a": ""}}}, "at '/settings/cceEndpointByRegion/a'"),
        ({"settings": {"iamEndpoint": "http://x.y"}}, "settings: iamEndpoint is http://x.y: http shows"),
        ({"settings": {"cceEndpoint": "http://localhost.x.y"}}, "settings: cceEndpoint is http://localhost.x.y"),
        ({"settings": {"cceEndpointByRegion": {"cn-north-4": "http://x.y"}}}, "settings: cn-north-4 is http://x.y"),
        ({"settings": {"activeInterval": "5s"}}, "at '/settings/activeInterval'"),
        ({"settings": {"ownCredentialsNamespaces": []}}, "at '/settings/ownCredentialsNamespaces': minItems"),
        ({"settings": {"logLevel": "loud"}}, "at '/settings/logLevel': value must be one of"),
        ({"settings": {"password": "hunter2"}}, "additional properties 'password' not allowed"),
        ({"replicas": "two"}, "at '/replicas': got string, want integer"),
        ({"namespaces": "team-a"}, "at '/namespaces': got string, want array"),
        ({"namespaces": ["Team A"]}, "at '/namespaces/0': 'Team A' does not match pattern"),
        ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
        ({"credentials": {"source": "magic"}}, "at '/credentials/source': value must be one of"),
        ({"credentials": {"accessKey": "AK"}}, "additional properties 'accessKey' not allowed"),
        ({"serviceMonitor": {"interval": "often"}}, "at '/serviceMonitor/interval'"),
        ({"replicas": 2, "leaderElection": False}, "replicas: more than one needs leaderElection: true"),
        ({"credentials": {"source": "none"}}, "credentials.source: none needs namespacedCredentials: true"),
        ({"credentials": {"source": "oidc"}}, "needs credentials.oidc.providerURN and credentials.oidc.agencyURN"),
        ({"credentials": {"source": "podIdentity"}, "settings": {"auth": "aksk"}}, "with podIdentity leave it out"),
        ({"serviceMonitor": {"enabled": True}, "metrics": {"enabled": False}}, "needs metrics.enabled"),
        ({"metrics": {"port": 8081}}, "metrics.port and health.port must differ"),
    ],
    ids=lambda part: json.dumps(part) if isinstance(part, dict) else "",
)
def test_wrong_values_are_refused(helm: Helm, values: Object, says: str) -> None:
    """Before anything reaches the cluster, with the place and the reason."""
    with pytest.raises(HelmError, match=re.escape(says)):
        helm.template(values)


@pytest.mark.parametrize(
    "settings",
    [
        {"cceEndpoint": "http://cce.example.com", "allowHTTP": True},
        {"cceEndpoint": "http://127.0.0.1:8080"},
        {"cceEndpoint": "http://[::1]:8080"},
        {"cceEndpoint": "cce.{region}.example.com:8443/path", "iamEndpoint": "https://iam"},
        {"activeInterval": "0.1", "idleInterval": "10.5"},
    ],
    ids=json.dumps,
)
def test_odd_values_are_taken(helm: Helm, settings: Object) -> None:
    """As the operator would take them."""
    assert helm.template({"settings": settings})


# --- what values do


def _one(documents: list[Object], kind: str) -> Object:
    (only,) = (document for document in documents if document["kind"] == kind and not is_hook(document))
    return only


def _container(documents: list[Object]) -> Object:
    (container,) = _one(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(container)


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ({}, f"imagecache-operator:{__version__}"),
        ({"repository": "registry.example.com/ops/imagecache"}, f"registry.example.com/ops/imagecache:{__version__}"),
        ({"tag": "1.2.3"}, "imagecache-operator:1.2.3"),
        ({"tag": "1.2.3", "digest": "sha256:" + "0" * 64}, "imagecache-operator@sha256:" + "0" * 64),
    ],
    ids=["default", "another registry", "a tag", "a digest wins over the tag"],
)
def test_the_image_is_the_one_named(helm: Helm, image: Object, wanted: str) -> None:
    """In the operator's pod, and in the job that guards the uninstall."""
    documents = helm.template({"image": image})
    (job,) = (document for document in documents if document["kind"] == "Job")
    (guard,) = job["spec"]["template"]["spec"]["containers"]
    assert _container(documents)["image"] == guard["image"] == wanted


def test_a_change_of_the_settings_rolls_the_pods(helm: Helm) -> None:
    """The pod template differs when, and only when, a setting does."""

    def template(values: Object) -> Object:
        return dict(_one(helm.template(values), "Deployment")["spec"]["template"])

    plain = template({})
    assert template({"settings": {"idleInterval": 30}}) != plain
    assert template({"serviceMonitor": {"enabled": True}}) == plain


def test_several_replicas_are_spread(helm: Helm) -> None:
    """Over nodes and zones, where that can be done; one replica has nothing to be spread, and [] turns it off."""

    def spread(values: Object) -> list[str]:
        pod = _one(helm.template(values), "Deployment")["spec"]["template"]["spec"]
        return [rule["topologyKey"] for rule in pod.get("topologySpreadConstraints", [])]

    assert spread({}) == []
    assert spread({"replicas": 2}) == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert spread({"replicas": 2, "topologySpreadConstraints": []}) == []


def test_without_leader_election_the_old_pod_goes_first(helm: Helm) -> None:
    """Else two operators would act during an upgrade; the right to Leases is not given then."""
    documents = helm.template({"leaderElection": False})
    assert _one(documents, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "coordination.k8s.io" not in str(_one(documents, "Role")["rules"])


def test_another_lease_is_allowed_by_its_name(helm: Helm) -> None:
    """The role names the Lease that the settings name, for the operator and for the guard."""
    documents = helm.template({"settings": {"leaseName": "other"}, "uninstall": {"release": True}})
    leases = [
        rule["resourceNames"]
        for document in documents
        if document["kind"] == "Role"
        for rule in document["rules"]
        if "leases" in rule["resources"] and "create" not in rule["verbs"]
    ]
    assert leases == [["other"], ["other"]]


def test_pod_options_reach_the_pod(helm: Helm) -> None:
    """What decides on where and how the pods run is handed on, also to the uninstall guard where it matters."""
    shared: dict[str, Any] = {
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"pool": "ops"},
        "tolerations": [{"key": "ops", "operator": "Exists"}],
    }
    own: dict[str, Any] = {"affinity": {"nodeAffinity": {}}}
    documents = helm.template(
        {
            **shared,
            **own,
            "podLabels": {"team": "ops"},
            "podAnnotations": {"note": "1"},
            "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}],
            "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        }
    )
    (job,) = (document for document in documents if document["kind"] == "Job")
    template = _one(documents, "Deployment")["spec"]["template"]
    pod, container = template["spec"], _container(documents)
    assert (shared | own).items() <= pod.items()
    assert shared.items() <= job["spec"]["template"]["spec"].items()
    assert template["metadata"]["labels"]["team"] == "ops"
    assert template["metadata"]["annotations"]["note"] == "1"
    assert container["env"][-1] == {"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}
    assert [mount["name"] for mount in container["volumeMounts"]] == ["credentials", "ca"]
    assert [volume["name"] for volume in pod["volumes"]] == ["credentials", "ca"]


def _labels(documents: list[Object]) -> dict[str, dict[str, str]]:
    """Of the pods of operator, guard and doctor, by the kind that makes them."""
    return {
        each["kind"]: each["spec"].get("template", each)["metadata"]["labels"]
        for each in documents
        if each["kind"] in {"Deployment", "Job", "Pod"}
    }


def test_guard_and_doctor_are_not_taken_for_operators(helm: Helm) -> None:
    """No selector of Deployment, Service or budget matches the labels of their pods."""
    documents = helm.template({"podDisruptionBudget": {"enabled": True}})
    labels = _labels(documents)
    selectors = [
        _one(documents, "Service")["spec"]["selector"],
        _one(documents, "Deployment")["spec"]["selector"]["matchLabels"],
        _one(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ]
    taken = {kind for kind in labels for selector in selectors if selector.items() <= labels[kind].items()}
    assert taken == {"Deployment"}


def test_the_network_policy_holds_for_all_three(helm: Helm) -> None:
    """Where all else is denied, the guard must reach the API server, or no uninstall would ever go through."""
    documents = helm.template({"networkPolicy": {"enabled": True}})
    selector = _one(documents, "NetworkPolicy")["spec"]["podSelector"]
    (names,) = selector["matchExpressions"]
    matched = {
        kind
        for kind, labels in _labels(documents).items()
        if selector["matchLabels"].items() <= labels.items() and labels[names["key"]] in names["values"]
    }
    assert matched == {"Deployment", "Job", "Pod"}


def test_the_doctor_has_what_the_operator_has(helm: Helm) -> None:
    """Account, settings, credentials, security: else it would look at something else than the operator does."""
    for values in ({}, {"credentials": {"source": "oidc", "oidc": {"providerURN": "p", "agencyURN": "a"}}}):
        documents = helm.template(values)
        (doctor,) = (each["spec"] for each in documents if each["kind"] == "Pod")
        operator = _one(documents, "Deployment")["spec"]["template"]["spec"]
        for name in ("serviceAccountName", "securityContext", "volumes"):
            assert doctor[name] == operator[name], name
        for name in ("image", "env", "envFrom", "volumeMounts", "securityContext", "resources"):
            assert doctor["containers"][0][name] == operator["containers"][0][name], name


def test_two_releases_share_no_name(helm: Helm) -> None:
    """In namespaces of their own, with the CRD in one of them only; what belongs to no namespace does not clash."""

    def names(release: str, namespace: str, **values: Any) -> set[tuple[str, str, str]]:
        return {
            (document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"])
            for document in helm.template(
                {"finalizerPolicy": {"enabled": True}, **values}, release=release, namespace=namespace
            )
        }

    first = names("imagecache-operator", "one", namespaces=["team-a"])
    assert first & names("blue", "two", namespaces=["team-a"], crds={"install": False}) == set()
