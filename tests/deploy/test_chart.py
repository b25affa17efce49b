"""The Helm chart by itself: sound, documented, strict about its values, and up to date with what it copies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helm import CHART, KUBERNETES, Helm, Object, is_hook

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
    "commonLabels",
    "resources.requests",
    "resources.limits",
    "podSecurityContext",
    "securityContext",
    "deploymentAnnotations",
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
    """What decides on where and how pods run is handed on, to guard and doctor as well where it matters."""
    shared: dict[str, Any] = {
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"pool": "ops"},
        "tolerations": [{"key": "ops", "operator": "Exists"}],
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["cce.cn-north-4.myhuaweicloud.com"]}],
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
    pods = _pods(documents)
    pod, container = pods["Deployment"]["spec"], _container(documents)
    assert (shared | own).items() <= pod.items()
    for template in pods.values():
        assert shared.items() <= template["spec"].items()
        assert template["metadata"]["labels"]["team"] == "ops"
        assert template["metadata"]["annotations"]["note"] == "1"
    assert container["env"][-1] == {"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}
    assert [mount["name"] for mount in container["volumeMounts"]] == ["credentials", "ca"]
    assert [volume["name"] for volume in pod["volumes"]] == ["credentials", "ca"]


def _pods(documents: list[Object]) -> dict[str, Object]:
    """The pods of operator, guard and doctor, by the kind that makes them."""
    kinds = {"Deployment", "Job", "Pod"}
    return {each["kind"]: each["spec"].get("template", each) for each in documents if each["kind"] in kinds}


def _labels(documents: list[Object]) -> dict[str, dict[str, str]]:
    return {kind: pod["metadata"]["labels"] for kind, pod in _pods(documents).items()}


def test_guard_and_doctor_go_to_the_same_nodes_and_wait_for_no_other_pod(helm: Helm) -> None:
    """A rule about nodes holds for all three pods; one about pods could keep the guard from ever starting."""
    nodes: Object = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": []}]}}
    affinity = {"nodeAffinity": nodes, "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}
    pods = _pods(helm.template({"affinity": affinity}))
    assert pods["Deployment"]["spec"]["affinity"] == affinity
    assert pods["Job"]["spec"]["affinity"] == pods["Pod"]["spec"]["affinity"] == {"nodeAffinity": nodes}


def test_common_labels_are_on_everything_and_in_no_selector(helm: Helm) -> None:
    """On each object and pod; a label of a single object or of pods wins; selectors, which cannot change, lack them."""
    monitoring = {name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboard")}
    monitoring["serviceMonitor"]["labels"] = {"team": "prometheus"}  # type: ignore[assignment]
    documents = helm.template({"commonLabels": {"team": "ops"}, "podLabels": {"team": "pods"}, **monitoring})
    teams = {(each["kind"], each["metadata"]["labels"].get("team")) for each in documents if each["kind"] != "Pod"}
    assert {team for kind, team in teams if kind != "ServiceMonitor"} == {"ops"}
    assert ("ServiceMonitor", "prometheus") in teams
    assert {labels["team"] for labels in _labels(documents).values()} == {"pods"}
    assert "team" not in str(_one(documents, "Deployment")["spec"]["selector"])
    assert _labels(helm.template({"commonLabels": {"team": "ops"}}))["Deployment"]["team"] == "ops"


def test_labels_fit_however_long_the_name_is(helm: Helm) -> None:
    """At most 63 characters, also those of guard and doctor, which have a word more."""
    documents = helm.template({"nameOverride": "n" * 63, "fullnameOverride": "f" * 63})
    values = [value for each in documents for value in each["metadata"].get("labels", {}).values()]
    values += [value for labels in _labels(documents).values() for value in labels.values()]
    assert max(map(len, values)) <= 63
    assert len({labels["app.kubernetes.io/name"] for labels in _labels(documents).values()}) == 3


def test_an_account_that_is_there_is_used(helm: Helm) -> None:
    """None is made, and the roles are bound to it; the guard has an account of its own all the same."""
    documents = helm.template({"serviceAccount": {"create": False, "name": "theirs"}})
    plain = [each for each in documents if not is_hook(each)]
    assert "ServiceAccount" not in {each["kind"] for each in plain}
    bound = {subject["name"] for each in plain for subject in each.get("subjects", ())}
    assert bound == {_one(documents, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]} == {"theirs"}
    assert "ServiceAccount" in {each["kind"] for each in documents if is_hook(each)}


def test_a_part_of_the_security_context_can_be_left_out(helm: Helm) -> None:
    """Null takes it away, for all three pods: on OpenShift the cluster chooses the user."""
    documents = helm.template({"podSecurityContext": dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))})
    left = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert [pod["spec"]["securityContext"] for pod in _pods(documents).values()] == [left] * 3


def test_annotations_of_users_change_none_of_ours(helm: Helm) -> None:
    """The checksum stays; another default container may be named; those of the Deployment are its own."""
    documents = helm.template(
        {
            "podAnnotations": {"checksum/settings": "mine", "kubectl.kubernetes.io/default-container": "proxy"},
            "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
            "revisionHistoryLimit": 0,
        }
    )
    deployment = _one(documents, "Deployment")
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert len(annotations["checksum/settings"]) == 64
    assert annotations["kubectl.kubernetes.io/default-container"] == "proxy"
    assert deployment["metadata"]["annotations"] == {"reloader.stakater.com/auto": "true"}
    assert deployment["spec"]["revisionHistoryLimit"] == 0


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
