"""The CRD itself: generated, structural, explained, bounded; what `kubectl` shows of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagecache_controlplane import kubectl_path
from imagecache_operator.crd import crd, crd_yaml
from imagecache_operator.crd_rules import OVERLAYS, ROOT_RULES, SPEC_RULES
from imagecache_playground.processes import wait_for

FILE = Path(__file__).resolve().parents[2] / "crds" / "cce.huaweicloud.com_imagecaches.yaml"
ROOT: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
PARTS = {name: ROOT["properties"][name] for name in ("spec", "status")}


def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below this one, and itself."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")


NODES = [pair for name, part in PARTS.items() for pair in walk(part, name)]


class Kubectl:
    """kubectl as a person runs it, with a cache of its own."""

    def __init__(self, kubeconfig: Path, cache: Path) -> None:
        self._environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(cache)}

    def __call__(self, *arguments: str) -> str:
        """What it prints."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def knows(self, resource: str) -> bool:
        """Whether the API server has told of the resource in its OpenAPI document, which comes after it serves it."""
        return self._run("explain", resource).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(kubectl_path()), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def kubectl(shipped: Any, tmp_path: Path) -> Kubectl:
    """Kubectl against the CRD that ships."""
    made = Kubectl(shipped.plane.kubeconfig, tmp_path)
    wait_for(lambda: made.knows("imagecache"), what="kubectl can explain it", seconds=30)
    return made


def test_the_file_is_up_to_date() -> None:
    """Mended by `imagecache-operator crd > crds/cce.huaweicloud.com_imagecaches.yaml`."""
    assert FILE.read_text(encoding="utf-8") == crd_yaml()


def test_the_module_prints_the_file() -> None:
    """`python -m imagecache_operator.crd` is what makes the file."""
    printed = subprocess.run(
        [sys.executable, "-m", "imagecache_operator.crd"], capture_output=True, text=True, timeout=60, check=True
    )
    assert printed.stdout == crd_yaml()


def test_the_api_server_finds_nothing_wrong(shipped: Any) -> None:
    """Its names are accepted and its schema is structural."""
    name = "imagecaches.cce.huaweicloud.com"
    found = shipped.plane.request("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize(("path", "node"), NODES, ids=[path for path, _ in NODES])
def test_every_field_is_explained_and_bounded(path: str, node: dict[str, Any]) -> None:
    """A description, one type, and an end to every string and list (the cost of rules is reckoned from them)."""
    # The items of a list of words are explained by the list.
    assert node.get("description") or (path.endswith("[]") and node["type"] == "string")
    assert node.keys() & {"$ref", "anyOf", "title", "nullable"} == set()
    match node["type"]:
        case "string":
            assert node.get("enum") or node.get("maxLength")
        case "array":
            assert node.get("maxItems")
            assert node["x-kubernetes-list-type"] in {"set", "map", "atomic"}
        case "object":
            assert node.get("properties")
        case other:
            assert other == "integer"


def test_no_default_but_three() -> None:
    """Defaults come before validation: one on a field for creating would make bound objects invalid."""
    assert {path: node["default"] for path, node in NODES if "default" in node} == {
        "spec.deletionPolicy": "Delete",
        "spec.managementPolicy": "Manage",
        "status": {"observedGeneration": -1},
    }


def test_ranges_and_defaults_are_told() -> None:
    """The description of a field with a range names it, and what holds when the field is absent."""
    fields = PARTS["spec"]["properties"]
    for field, words in {
        "sizeGiB": ("GiB", "20 to 400", "20 when absent"),
        "retentionDays": ("Days", "0 to 10000", "absent"),
        "images": ("1 to 20", "512 characters"),
        "name": ("1 to 128", "metadata.name when absent"),
        "deletionPolicy": ("Delete (default)", "Retain"),
        "managementPolicy": ("Manage (default)", "Observe"),
        "adoptionPolicy": ("Never", "absent", "IfIdentical"),
        "recreateOn": ("SpecChanged", "at most 3 times", "Empty when absent"),
        "region": ("when absent",),
        "projectID": ("32 hexadecimal digits", "when absent"),
        "credentialsSecretRef": ("when absent",),
    }.items():
        text = fields[field]["description"].lower()
        assert [word for word in words if word.lower() not in text] == [], field


def test_every_overlay_meets_a_field() -> None:
    """Nothing is added to a field that is not there any more."""
    paths = {path.replace("[]", ".[]") for path, _ in NODES}
    assert {".".join(path) for path in OVERLAYS} <= paths


def test_every_rule_says_what_to_do() -> None:
    """Each message is one sentence that names a way out, and no two are alike."""
    messages = [rule.message for rule in (*SPEC_RULES, *ROOT_RULES)]
    assert len(set(messages)) == len(messages) == 16
    ways_out = ("remove it", "delete this object", "bind an existing", "choose another")
    assert [message for message in messages if not any(way in message for way in ways_out)] == []


def test_kubectl_explains_the_spec(kubectl: Kubectl) -> None:
    """`kubectl explain imagecache.spec` has each field with its description."""
    printed = " ".join(kubectl("explain", "imagecache.spec").split())
    for name, field in PARTS["spec"]["properties"].items():
        assert f"{name} <" in printed
        assert field["description"] in printed


def test_kubectl_explains_all_levels(kubectl: Kubectl) -> None:
    """Nothing down the tree is without words."""
    printed = kubectl("explain", "imagecache", "--recursive")
    assert "pullSecretRefs" in printed
    assert "<no description>" not in kubectl("explain", "imagecache.spec.build.pullSecretRefs")
    assert "<no description>" not in kubectl("explain", "imagecache.status.conditions")


READY = {
    "type": "Ready",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "reason": "Available",
    "message": "Cache is usable.",
}


def test_columns(shipped: Any, kubectl: Kubectl) -> None:
    """`kubectl get` shows the state at a glance; `-o wide` what else one asks for; the category finds it."""
    name = shipped.create({"name": "nginx"}, name="columns")["metadata"]["name"]
    try:
        cache_id = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
        expires = "2030-01-01T00:00:00Z"
        status = {"conditions": [READY], "cacheStatus": "Available", "imageCacheID": cache_id, "expiresAt": expires}
        shipped.patch_status(name, status)
        short = kubectl("get", "imagecache", name, "-n", shipped.namespace).splitlines()
        assert short[0].split() == ["NAME", "READY", "STATUS", "REASON", "AGE"]
        assert short[1].split()[:4] == [name, "True", "Available", "Available"]
        wide = kubectl("get", "imagecache", name, "-n", shipped.namespace, "-o", "wide").splitlines()
        assert wide[0].split() == ["NAME", "READY", "STATUS", "REASON", "AGE", "ID", "SIZE", "EXPIRES", "MESSAGE"]
        assert wide[1].split()[5:] == [cache_id, expires, "Cache", "is", "usable."]
        found = kubectl("get", "huaweicloud", "-n", shipped.namespace, "-o", "name").splitlines()
        assert f"imagecache.cce.huaweicloud.com/{name}" in found
    finally:
        shipped.delete(name)


def test_size_column_of_an_object_that_creates(shipped: Any, tmp_path: Path) -> None:
    """SIZE is the size that was asked for."""
    name = shipped.create({"images": ["nginx"], "sizeGiB": 40}, name="sized")["metadata"]["name"]
    try:
        kubectl = Kubectl(shipped.plane.kubeconfig, tmp_path)
        wide = kubectl("get", f"imagecaches.{shipped.group}", name, "-n", shipped.namespace, "-o", "wide")
        head, line = wide.splitlines()
        assert line[head.index("SIZE") :].split()[0] == "40"
    finally:
        shipped.delete(name)


def test_names(shipped: Any) -> None:
    """Discovery names the kind once, without a short name, and with its status apart."""
    found = shipped.plane.request("GET", "/apis/cce.huaweicloud.com/v1alpha1")["resources"]
    by_name = {resource["name"]: resource for resource in found}
    assert by_name.keys() == {"imagecaches", "imagecaches/status"}
    resource = by_name["imagecaches"]
    assert (resource["kind"], resource["singularName"], resource["namespaced"]) == ("ImageCache", "imagecache", True)
    assert resource["categories"] == ["huaweicloud"]
    assert "shortNames" not in resource


def test_the_yaml_reads_as_the_dictionary() -> None:
    """What is printed is what is tested, without anchors."""
    import yaml

    assert yaml.safe_load(crd_yaml()) == json.loads(json.dumps(crd()))
    assert "&id" not in crd_yaml()
