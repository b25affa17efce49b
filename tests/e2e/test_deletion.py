"""Deletion as users see it: the operator as a process, a real API server, the role it ships with."""

from __future__ import annotations

import time

from tests.e2e.kit import wait_event

from imagecache_playground.cluster import condition
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import FINALIZER, Surroundings


def next_second() -> None:
    """Ages are counted in whole seconds; wait until the next object is younger."""
    second = int(time.time())
    wait_for(lambda: int(time.time()) > second, what="the next second", seconds=2)


def test_bound_object_becomes_ready_then_its_deletion_takes_the_cache_along(world: Surroundings) -> None:
    """Bind, Ready, kubectl delete: one DELETE, then the cache and the object are gone."""
    cache_id = world.bind()
    world.operator()
    ready = world.wait_reason("Available")
    assert FINALIZER in ready["metadata"]["finalizers"]
    assert ready["status"]["imageCacheID"] == cache_id
    assert ready["status"]["seenBy"]["accountID"]
    world.delete()
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None
    assert len(world.deletes(cache_id)) == 1
    assert wait_event(world, "Deleted")


def test_binding_by_name_pins_the_id(world: Surroundings) -> None:
    """An object bound by name deletes the cache it found, not a later one of the same name."""
    first = world.cloud.add_cache("by-name")
    world.cluster.create(world.namespace, "web", name="by-name")
    world.operator()
    assert world.wait_reason("Available")["status"]["imageCacheID"] == first
    world.cloud.vanish(first)
    second = world.cloud.add_cache("by-name")
    world.wait_reason("NotFound")
    world.delete()
    world.wait_gone()
    assert world.cloud.cache(second) is not None
    assert not world.deletes(second)


def test_a_cache_gone_before_the_deletion_needs_no_delete(world: Surroundings) -> None:
    """Deleted in the console first: the object shows NotFound, and its deletion asks nothing of the cloud."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.vanish(cache_id)
    world.wait_stalled("NotFound")
    world.delete()
    world.wait_gone()
    assert not world.deletes(cache_id)
    assert "already gone" in wait_event(world, "Deleted")


def test_an_id_that_never_was_is_told_and_let_go(world: Surroundings) -> None:
    """A wrong id: NotFound while it lives; its deletion ends with the Warning NeverSeen."""
    world.cluster.create(world.namespace, "web", imageCacheID="00000000-0000-0000-0000-000000000000")
    world.operator()
    world.wait_stalled("NotFound")
    world.delete()
    world.wait_gone()
    assert wait_event(world, "NeverSeen")


def test_an_object_deleted_before_the_finalizer_was_on_it_takes_its_cache_along(world: Surroundings) -> None:
    """Created and deleted at once, twenty times: no cache is left behind."""
    world.operator()
    world.bind("first")
    world.wait_reason("Available", name="first")  # so the watch is on
    ids = []
    for number in range(20):
        ids.append(world.bind(f"quick-{number}"))
        world.delete(f"quick-{number}")
    for number in range(20):
        world.wait_gone(f"quick-{number}")
    wait_for(
        lambda: not [one for one in ids if one in world.cloud.caches()],
        what="all caches are gone",
        seconds=20,
        stand=lambda: len(world.cloud.caches()),
    )


def test_namespace_with_objects_terminates(world: Surroundings) -> None:
    """Kubectl delete namespace: the caches go, and the namespace with them."""
    ids = [world.bind(f"web-{number}") for number in range(3)]
    world.operator()
    for number in range(3):
        world.wait_reason("Available", name=f"web-{number}")
    world.cluster.kubectl("delete", "namespace", world.namespace, "--timeout=60s")
    assert not [one for one in ids if one in world.cloud.caches()]


def test_of_two_objects_for_one_cache_the_older_holds_it(world: Surroundings) -> None:
    """The younger shows Conflict and goes without a call; then the holder's deletion takes the cache."""
    cache_id = world.bind("older")
    world.operator()
    world.wait_reason("Available", name="older")
    next_second()
    world.cluster.create(world.namespace, "younger", imageCacheID=cache_id)
    conflict = world.wait_stalled("Conflict", name="younger")
    assert "older" in condition(conflict, "Stalled")["message"]
    world.delete("younger")
    world.wait_gone("younger")
    assert not world.deletes(cache_id)
    world.delete("older")
    world.wait_gone("older")
    assert len(world.deletes(cache_id)) == 1


def test_the_younger_shows_not_found_after_the_holder_took_the_cache_along(world: Surroundings) -> None:
    """Holder deleted: the other object, after its Conflict, shows NotFound."""
    cache_id = world.bind("older")
    world.operator()
    world.wait_reason("Available", name="older")
    next_second()
    world.cluster.create(world.namespace, "younger", imageCacheID=cache_id)
    world.wait_reason("Conflict", name="younger")
    world.delete("older")
    world.wait_gone("older")
    world.wait_reason("NotFound", name="younger")


def test_retain_lets_go_and_leaves_the_cache(world: Surroundings) -> None:
    """DeletionPolicy Retain: no DELETE, the event names the id."""
    cache_id = world.bind(spec={"deletionPolicy": "Retain"})
    world.operator()
    world.wait_reason("Available")
    world.delete()
    world.wait_gone()
    assert cache_id in wait_event(world, "Retained")
    assert world.cloud.cache(cache_id)["status"] == "Available"  # type: ignore[index]
    assert not world.deletes(cache_id)


def test_retain_acts_at_once_while_a_call_to_the_cloud_hangs(world: Surroundings) -> None:
    """Retain, set while a DELETE hangs, takes the object away within 2 s."""
    world.bind()
    world.operator(IMAGECACHE_REQUEST_TIMEOUT="30")
    world.wait_reason("Available")
    world.cloud.fault("hang", seconds=0)
    world.delete()
    wait_for(lambda: world.cloud.calls("DeleteImageCache"), what="the DELETE hangs", seconds=5)
    world.set_spec(deletionPolicy="Retain")
    world.wait_gone(seconds=2)


def test_observe_never_writes_to_the_cloud(world: Surroundings) -> None:
    """ManagementPolicy Observe: shown as Observed, and let go without a DELETE."""
    cache_id = world.bind(spec={"managementPolicy": "Observe"})
    world.operator()
    world.wait_reason("Observed")
    world.delete()
    world.wait_gone()
    assert not world.deletes(cache_id)
    assert world.cloud.cache(cache_id) is not None
