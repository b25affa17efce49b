"""The admission policy: our finalizer is on every live object from its first moment, and comes off as ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagecache_operator.imagecache import ImageCache
from imagecache_operator.names import FINALIZER
from imagecache_operator.patches import finalizer_removed
from imagecache_playground.cluster import GROUP_PATH, Cluster, manifest
from imagecache_playground.processes import wait_for

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PLURALS = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
OTHER = "example.com/other"

Object = dict[str, Any]


class Namespace:
    """ImageCaches of one namespace, by plain requests."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self._cluster = cluster
        self._path = f"{GROUP_PATH}/namespaces/{name}/imagecaches"

    def create(self, name: str = "web", *, query: str = "", **metadata: Any) -> Object:
        """Create an object that binds."""
        body = manifest(self.name, name, name="nginx")
        body["metadata"] |= metadata
        return dict(self._cluster.plane.request("POST", self._path + query, body))

    def send(self, method: str, body: Any, content_type: str = "application/json", query: str = "") -> Object:
        """A request about the object."""
        return dict(self._cluster.plane.request(method, f"{self._path}/web{query}", body, content_type))

    def delete(self) -> Object:
        """Ask for the object's deletion; returns what is left."""
        self._cluster.delete(self.name, "web")
        return dict(self.get() or {})

    def get(self) -> Object | None:
        """The object, None when it is gone."""
        return self._cluster.get(self.name, "web")


def finalizers(body: Object) -> list[str]:
    """Of an object, in their order."""
    return list(body["metadata"].get("finalizers") or [])


@pytest.fixture
def policy(overlay: Callable[..., list[Object]]) -> list[Object]:
    """Policy and binding as an overlay with the component renders them."""
    found = [document for document in overlay("finalizer-policy") if document["kind"].startswith("MutatingAdmission")]
    assert [document["apiVersion"] for document in found] == ["admissionregistration.k8s.io/v1"] * 2
    return found


@pytest.fixture
def guarded(cluster: Cluster, policy: list[Object], namespace_name: str) -> Iterator[Namespace]:
    """A namespace of a cluster in which the policy is in force; afterwards it is in force no more."""
    plane = cluster.plane
    cluster.create_namespace(namespace_name)
    namespace = Namespace(cluster, namespace_name)

    def in_force() -> bool:
        return FINALIZER in finalizers(namespace.create("probe", query="?dryRun=All"))

    assert not in_force()
    paths = []
    for document in policy:
        plural = f"{ADMISSION}/{PLURALS[document['kind']]}"
        plane.request("POST", plural, document)
        paths.append(f"{plural}/{document['metadata']['name']}")
    try:
        wait_for(in_force, what="the policy is in force", seconds=30)
        yield namespace
    finally:
        for path in reversed(paths):
            plane.request("DELETE", path)
        wait_for(lambda: not in_force(), what="the policy is out of force", seconds=30)
        left = namespace.get()
        if left is not None and finalizers(left):
            namespace.send("PATCH", {"metadata": {"finalizers": None}}, MERGE_PATCH)
        plane.request("DELETE", f"/api/v1/namespaces/{namespace_name}")


def test_a_new_object_has_the_finalizer_at_once(guarded: Namespace) -> None:
    """The answer to its creation has it: there is no moment in which the object could go unseen."""
    assert finalizers(guarded.create()) == [FINALIZER]


def test_other_finalizers_are_kept(guarded: Namespace) -> None:
    """Ours is put behind those that are there."""
    assert finalizers(guarded.create(finalizers=[OTHER])) == [OTHER, FINALIZER]


@pytest.mark.parametrize("given", [[], [FINALIZER], [FINALIZER, OTHER], [OTHER, FINALIZER]], ids=str)
def test_it_is_never_there_twice(guarded: Namespace, given: list[str]) -> None:
    """An object that comes with it stays as it is; an empty list is no obstacle."""
    assert finalizers(guarded.create(finalizers=given)) == (given or [FINALIZER])


def test_an_update_cannot_drop_it(guarded: Namespace) -> None:
    """Replacing, merging, applying and patching: it is back before the answer, and others are as they were sent."""
    made = guarded.create(finalizers=[OTHER])
    without = manifest(guarded.name, "web", name="nginx")
    without["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
    assert finalizers(guarded.send("PUT", without)) == [FINALIZER]
    assert finalizers(guarded.send("PATCH", {"metadata": {"finalizers": [OTHER]}}, MERGE_PATCH)) == [OTHER, FINALIZER]
    assert finalizers(guarded.send("PATCH", {"metadata": {"finalizers": None}}, MERGE_PATCH)) == [FINALIZER]
    removal = [{"op": "remove", "path": "/metadata/finalizers"}]
    assert finalizers(guarded.send("PATCH", removal, JSON_PATCH)) == [FINALIZER]
    applied = manifest(guarded.name, "web", name="nginx")
    found = guarded.send("PATCH", applied, "application/apply-patch+yaml", "?fieldManager=user&force=true")
    assert finalizers(found) == [FINALIZER]


def test_it_comes_off_under_deletion(guarded: Namespace) -> None:
    """The operator's own patch takes it off an object that is being deleted, and leaves the others."""
    guarded.create(finalizers=[OTHER])
    left = guarded.delete()
    assert left["metadata"]["deletionTimestamp"]
    assert finalizers(left) == [OTHER, FINALIZER]
    released = guarded.send("PATCH", finalizer_removed(ImageCache.parse(left)), JSON_PATCH)
    assert finalizers(released) == [OTHER]
    guarded.send("PATCH", {"metadata": {"finalizers": None}}, MERGE_PATCH)
    assert guarded.get() is None


def test_the_object_goes_with_its_last_finalizer(guarded: Namespace) -> None:
    """With ours alone, the operator's patch ends the object."""
    guarded.create()
    guarded.send("PATCH", finalizer_removed(ImageCache.parse(guarded.delete())), JSON_PATCH)
    assert guarded.get() is None


def test_changes_under_deletion_pass(guarded: Namespace) -> None:
    """Retain may be set on an object that is being deleted, and its status be written."""
    guarded.create()
    guarded.delete()
    kept = guarded.send("PATCH", {"spec": {"deletionPolicy": "Retain"}}, MERGE_PATCH)
    assert (kept["spec"]["deletionPolicy"], finalizers(kept)) == ("Retain", [FINALIZER])
    status = guarded.send("PATCH", {"status": {"cacheStatus": "Deleting"}}, MERGE_PATCH, "/status")["status"]
    assert status["cacheStatus"] == "Deleting"


def test_the_policy_and_the_operator_mean_the_same_finalizer(policy: list[Object]) -> None:
    """The string is written in the policy by hand."""
    text = str(policy[0]["spec"])
    assert text.count(f'"{FINALIZER}"') == 3
