"""The whole life of a cache, with real programs: created, followed, replaced, taken over, expired, retained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.kit import event_reasons

from imagecache_playground.cloud import ACCESS_KEY, BUILDER, SECRET_KEY
from imagecache_playground.cluster import Cluster, Object, condition, reason
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

ACCOUNT = {
    "domain_id": "d0123456789abcdef0123456789abcde",
    "domain_name": "example-domain",
    "access_keys": [{"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}],
}
RECREATE = "cce.huaweicloud.com/recreate-requested-at"
CREATE = "CreateImageCache"


@pytest.fixture
def world(surroundings: Callable[..., Surroundings], cluster: Cluster) -> Surroundings:
    """A cloud that builds and deletes within a second, and an operator that knows a cluster to build in."""
    timing = {"create_seconds": 0.7, "delete_seconds": 0.5}
    made = surroundings(cluster, {"timing": timing, "writes_per_minute": 0})
    made.operator(IMAGECACHE_CLUSTER_ID=BUILDER)
    return made


def create(world: Surroundings, name: str = "web", /, **spec: Any) -> None:
    """An object that creates."""
    world.cluster.create(world.namespace, name, **({"images": ["nginx"]} | spec))


def names(world: Surroundings) -> list[str]:
    """The names of the caches that are there."""
    return sorted(cache["name"] for cache in world.cloud.caches().values())


def age(world: Surroundings, name: str) -> tuple[str, str]:
    """What decides which object is the older one."""
    found = world.get(name)
    assert found is not None
    return found["metadata"]["creationTimestamp"], found["metadata"]["uid"]


def id_of(found: Object) -> str:
    """The id in the status."""
    return str(found["status"]["imageCacheID"])


def test_created_followed_and_deleted(world: Surroundings) -> None:
    """One POST with what the manifest says; Creating, then Ready; deleted with its object."""
    create(world, sizeGiB=40, retentionDays=7, build={"pullSecretRefs": [{"name": "pull"}]})
    world.wait_reason("Creating")
    found = world.wait_reason("Available")
    cache = world.cloud.cache(id_of(found))
    assert cache is not None
    assert (cache["name"], cache["images"], cache["image_cache_size"], cache["retention_days"]) == (
        "web",
        ["nginx"],
        40,
        7,
    )
    assert cache["building_config"] == {"cluster": BUILDER, "image_pull_secrets": [f"{world.namespace}:pull"]}
    assert found["status"]["creation"]["answer"] == "Accepted"
    assert found["status"]["expiresAt"] > found["status"]["createdAt"]
    assert len(world.cloud.calls(CREATE)) == 1
    world.delete()
    world.wait_gone()
    assert names(world) == []


def test_a_lost_answer_makes_no_twin(world: Surroundings) -> None:
    """The cache is found by its name."""
    world.cloud.fault("lost_answer", operation=CREATE, times=1)
    create(world)
    found = world.wait_reason("Available", seconds=30)
    assert names(world) == ["web"]
    assert id_of(found) in world.cloud.caches()


def test_a_replacement_keeps_the_name_and_never_has_two(world: Surroundings) -> None:
    """A change with SpecChanged: the old cache is proven gone before the new one is asked for."""
    create(world, recreateOn=["SpecChanged"])
    old = id_of(world.wait_reason("Available"))
    world.set_spec(images=["nginx", "busybox"])
    world.wait_reason("Recreating")
    found = world.wait(
        lambda it: reason(it) == "Available" and it and it["status"]["observedGeneration"] == 2, what="it is replaced"
    )
    assert found is not None
    assert id_of(found) != old
    calls = [
        (call["operation"], call["status"]) for call in world.cloud.calls() if call["operation"] != "ListImageCaches"
    ]
    kinds = [operation for operation, _ in calls if operation in {CREATE, "DeleteImageCache", "ShowImageCache"}]
    assert kinds == [CREATE, "DeleteImageCache", "ShowImageCache", CREATE]
    assert names(world) == ["web"]


def test_built_anew_on_request(world: Surroundings) -> None:
    """A new value of the annotation replaces the cache once."""
    create(world)
    old = id_of(world.wait_reason("Available"))
    world.cluster.patch(world.namespace, "web", {"metadata": {"annotations": {RECREATE: "1"}}})
    found = world.wait(lambda it: it and it["status"].get("lastHandledRecreateAt") == "1", what="it was handled")
    found = world.wait_reason("Available")
    assert id_of(found) != old
    assert len(world.cloud.calls(CREATE)) == 2


def test_two_objects_want_one_name(world: Surroundings) -> None:
    """The older holds it; the other says so, and takes over by itself when the first is gone."""
    create(world, "first", name="shared")
    world.wait_reason("Available", name="first")
    create(world, "second", name="shared")
    stalled = world.wait_stalled("Conflict", name="second")
    assert "first" in condition(stalled, "Ready")["message"]
    world.delete("first")
    world.wait_gone("first")
    world.wait_reason("Available", name="second")
    assert names(world) == ["shared"]


def test_a_cache_of_somebody_else_is_left_alone(world: Surroundings) -> None:
    """Never: Conflict, no call. IfIdentical: the fields that differ are named; what is identical is taken over."""
    fields = {"images": ["docker.io/library/nginx:latest"], "image_cache_size": 20, "cluster": BUILDER}
    cache_id = world.cloud.add_cache("web", **fields)
    create(world, sizeGiB=30)
    world.wait_stalled("Conflict")
    world.set_spec(adoptionPolicy="IfIdentical")
    world.wait(lambda it: "sizeGiB" in condition(it, "Ready").get("message", ""), what="the difference is named")
    create(world, "same", name="same")
    other = world.cloud.add_cache("twin", **fields)
    create(world, "twin", adoptionPolicy="IfIdentical")
    assert id_of(world.wait_reason("Available", name="twin")) == other
    assert cache_id in world.cloud.caches()
    wait_for(lambda: event_reasons(world, "twin").count("Adopted") == 1, what="the event Adopted", seconds=10)


def test_a_full_tenant(world: Surroundings) -> None:
    """QuotaExceeded with how many are used; no POST is wasted while it is full; then the oldest goes first."""
    world.cloud.settings(quota=1)
    create(world, "first")
    world.wait_reason("Available", name="first")
    create(world, "second")
    stalled = world.wait_stalled("QuotaExceeded", name="second")
    assert "1" in condition(stalled, "Ready")["message"]
    create(world, "third")
    world.wait_stalled("QuotaExceeded", name="third")
    posts = len(world.cloud.calls(CREATE))
    world.annotate("first", "look")
    world.wait(lambda it: it and it["status"].get("lastHandledReconcileAt") == "look", what="a look", name="first")
    assert len(world.cloud.calls(CREATE)) == posts
    # Both may have been created in the same second; then the lower uid is the older one.
    older, younger = sorted(("second", "third"), key=lambda name: age(world, name))
    world.delete("first")
    world.wait_reason("Available", name=older, seconds=30)
    world.wait_stalled("QuotaExceeded", name=younger)
    assert names(world) == [older]


def test_a_cache_that_vanishes(world: Surroundings) -> None:
    """NotFound; created anew only where the object says so."""
    create(world)
    world.cloud.vanish(id_of(world.wait_reason("Available")))
    world.wait_stalled("NotFound")
    posts = len(world.cloud.calls(CREATE))
    world.set_spec(recreateOn=["NotFound"])
    world.wait_reason("Available")
    assert len(world.cloud.calls(CREATE)) == posts + 1


def test_observe_creates_nothing(world: Surroundings) -> None:
    """Until it is switched to Manage."""
    create(world, managementPolicy="Observe")
    world.wait_stalled("NotFound")
    assert world.cloud.calls(CREATE) == []
    world.set_spec(managementPolicy="Manage")
    world.wait_reason("Available")


def test_killed_at_every_turn(surroundings: Callable[..., Surroundings], cluster: Cluster) -> None:
    """SIGKILL as soon as the cloud has a call, through create, replace and delete: no twin, and nothing is left."""
    timing = {"create_seconds": 0.7, "delete_seconds": 0.7}
    world = surroundings(cluster, {"timing": timing, "writes_per_minute": 0})
    operator = world.operator(IMAGECACHE_CLUSTER_ID=BUILDER, IMAGECACHE_DELETE_RETRY_AFTER="2")

    def kill_at(operation: str, number: int) -> None:
        wait_for(lambda: len(world.cloud.calls(operation)) >= number, what=operation, seconds=20)
        operator.program.kill()
        operator.start()

    create(world, recreateOn=["SpecChanged"])
    kill_at(CREATE, 1)
    world.wait_reason("Available", seconds=30)
    world.set_spec(images=["busybox"])
    kill_at("DeleteImageCache", 1)
    kill_at(CREATE, 2)
    world.wait(
        lambda it: reason(it) == "Available" and it and it["status"]["observedGeneration"] == 2,
        what="replaced",
        seconds=30,
    )
    assert names(world) == ["web"]
    world.delete()
    kill_at("DeleteImageCache", 2)
    world.wait_gone(seconds=30)
    assert names(world) == []
    assert (len(world.cloud.calls(CREATE)), len(world.cloud.calls("DeleteImageCache"))) == (2, 2)


def test_what_is_retained_is_in_the_ledger(surroundings: Callable[..., Surroundings], cluster: Cluster) -> None:
    """Id, name, object and reason, in the ConfigMap of the operator's namespace, with the role as it ships."""
    world = surroundings(cluster, {"timing": {"create_seconds": 0.5}, "writes_per_minute": 0})
    world.operator(IMAGECACHE_CLUSTER_ID=BUILDER, IMAGECACHE_LEASE_NAMESPACE="imagecache-system")
    create(world, deletionPolicy="Retain")
    cache_id = id_of(world.wait_reason("Available"))
    world.delete()
    world.wait_gone()

    def listed() -> bool:
        return any(it["id"] == cache_id and it["object"] == f"{world.namespace}/web" for it in cluster.ledger())

    wait_for(listed, what="the cache is in the ledger", seconds=10)
    assert cache_id in world.cloud.caches()


def test_the_clouds_refusal_is_told_in_its_own_words(
    surroundings: Callable[..., Surroundings], cluster: Cluster
) -> None:
    """A cluster that does not exist; put right, it goes on at once."""
    project = {"id": "0123456789abcdef0123456789abcdef", "name": "cn-north-4", "clusters": [BUILDER]}
    world = surroundings(
        cluster,
        {"timing": {"create_seconds": 0.5}, "writes_per_minute": 0} | {"accounts": [ACCOUNT | {"projects": [project]}]},
    )
    world.operator()
    create(world, build={"clusterID": "nowhere"}, recreateOn=["SpecChanged"])
    stalled = world.wait_stalled("RequestRejected")
    assert "nowhere" in condition(stalled, "Ready")["message"]
    world.set_spec(build={"clusterID": BUILDER})
    world.wait_reason("Available")
