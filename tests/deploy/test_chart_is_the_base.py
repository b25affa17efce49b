"""Helm and kustomize install the same: the same permissions, and the same pod, in each form that both have."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from tests.deploy.kustomize import DEPLOY, render
from tests.deploy.roles import by_scope
from tests.helm import Helm, Object, is_hook

ACCOUNT = "imagecache-operator"
URN = "iam::0123456789abcdef0123456789abcdef:{}:REPLACE"

FORMS: dict[str, tuple[Path, Object]] = {
    "default": (DEPLOY / "kustomize" / "base", {}),
    "namespaced credentials": (
        DEPLOY / "kustomize" / "overlays" / "namespaced-credentials",
        {"namespacedCredentials": True},
    ),
    "one namespace": (DEPLOY / "kustomize" / "overlays" / "one-namespace", {"namespaces": ["team-a"]}),
    "one namespace, namespaced credentials": (
        DEPLOY / "kustomize" / "overlays" / "one-namespace-credentials",
        {"namespaces": ["team-a"], "namespacedCredentials": True},
    ),
    "pod identity": (
        DEPLOY / "kustomize" / "overlays" / "pod-identity",
        {"credentials": {"source": "podIdentity"}},
    ),
    "oidc": (
        DEPLOY / "kustomize" / "overlays" / "oidc",
        {
            "credentials": {
                "source": "oidc",
                "oidc": {"providerURN": URN.format("oidcProvider"), "agencyURN": URN.format("agency")},
            }
        },
    ),
}

Pair = tuple[list[Object], list[Object]]


@pytest.fixture(params=FORMS)
def pair(request: pytest.FixtureRequest, helm: Helm) -> Pair:
    """What kustomize renders, and what helm renders, in one of the forms; without the uninstall guard."""
    folder, values = FORMS[request.param]
    return render(folder), [document for document in helm.template(values) if not is_hook(document)]


def one(documents: list[Object], kind: str, name: str = ACCOUNT) -> Object:
    """The document of that kind and name."""
    (only,) = (each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return only


def test_each_overlay_is_compared() -> None:
    """No overlay without its form of the chart."""
    folders = {folder for folder, _ in FORMS.values()} - {DEPLOY / "kustomize" / "base"}
    assert folders == set((DEPLOY / "kustomize" / "overlays").iterdir())


def test_the_operator_may_do_the_same(pair: Pair) -> None:
    """Rule by rule, and namespace by namespace."""
    kustomize, helm = (by_scope(documents, ACCOUNT) for documents in pair)
    assert kustomize == helm
    assert kustomize["imagecache-system"]


def test_the_pod_is_the_same(pair: Pair) -> None:
    """Arguments, environment, security, probes, resources, volumes: all that is in the pod; and how it is replaced."""
    kustomize, helm = (deepcopy(one(documents, "Deployment")["spec"]) for documents in pair)
    for spec in (kustomize, helm):
        (container,) = spec["template"]["spec"]["containers"]
        if not container.get("env"):
            container.pop("env", None)
        for left in ("volumeMounts", "volumes"):
            for holder in (container, spec["template"]["spec"]):
                if not holder.get(left):
                    holder.pop(left, None)
    # Kubernetes has the same default for a tag that is not `latest`.
    assert helm["template"]["spec"]["containers"][0].pop("imagePullPolicy") == "IfNotPresent"
    assert kustomize["template"]["spec"] == helm["template"]["spec"]
    assert (kustomize["replicas"], kustomize["strategy"]) == (helm["replicas"], helm["strategy"])


def test_the_settings_are_the_same(pair: Pair) -> None:
    """An empty setting of the base is an unset one."""
    kustomize, helm = (one(documents, "ConfigMap")["data"] for documents in pair)
    assert {name: text for name, text in kustomize.items() if text} == helm


def test_crd_account_and_ledger_are_the_same(pair: Pair) -> None:
    """Down to the last field of the schema, but for helm's labels, and what keeps CRD and ledger at an uninstall."""
    kustomize, helm = pair
    crd = one(kustomize, "CustomResourceDefinition", "imagecaches.cce.huaweicloud.com")
    assert one(helm, "CustomResourceDefinition", crd["metadata"]["name"])["spec"] == crd["spec"]
    accounts = [one(documents, "ServiceAccount")["automountServiceAccountToken"] for documents in pair]
    assert accounts == [False, False]
    kept = {
        document["metadata"]["name"]
        for document in helm
        if document["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    assert kept == {crd["metadata"]["name"], "imagecache-retained"}


def test_the_finalizer_policy_is_the_components(helm: Helm) -> None:
    """But for its name, which is the release's; with namespaces it reaches no further than the operator."""
    plain = {each["kind"]: each for each in render_policy()}
    chart = {each["kind"]: each for each in helm.template({"finalizerPolicy": {"enabled": True}}) if is_policy(each)}
    assert chart["MutatingAdmissionPolicy"]["spec"] == plain["MutatingAdmissionPolicy"]["spec"]
    limited = helm.template({"finalizerPolicy": {"enabled": True}, "namespaces": ["team-a"]})
    policy = one(limited, "MutatingAdmissionPolicy", "imagecache-operator-finalizer")
    binding = one(limited, "MutatingAdmissionPolicyBinding", "imagecache-operator-finalizer")
    assert binding["spec"] == {"policyName": policy["metadata"]["name"]}
    assert policy["spec"]["matchConstraints"]["namespaceSelector"] == {
        "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["team-a"]}]
    }


def test_the_policy_goes_before_the_objects_are_let_go(helm: Helm) -> None:
    """Else it would put back the finalizer that the uninstall takes off."""
    values = {"finalizerPolicy": {"enabled": True}, "uninstall": {"release": True}}
    assert [each for each in helm.template(values) if is_policy(each)] == []


def is_policy(document: Object) -> bool:
    """Whether it belongs to the finalizer policy."""
    return str(document["kind"]).startswith("MutatingAdmissionPolicy")


def render_policy() -> list[Object]:
    """The component by itself."""
    import yaml

    path = DEPLOY / "kustomize" / "components" / "finalizer-policy" / "policy.yaml"
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
