"""Deletion as users see it: the operator as a process, a real API server, the role it ships with."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest

from imagecache_playground.cluster import Cluster, condition, reason
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import FINALIZER, Surroundings

GONE_404 = "CCE.01404001"


def outcome(world: Surroundings, name: str = "web") -> list[str]:
    """The reasons of an object's Events."""
    return [str(event["reason"]) for event in world.cluster.events(world.namespace, name)]


def wait_event(world: Surroundings, wanted: str, name: str = "web") -> str:
    """Wait for an Event; returns its message."""

    def look() -> str | None:
        events = world.cluster.events(world.namespace, name)
        return next((str(event["message"]) for event in events if event["reason"] == wanted), None)

    return wait_for(look, what=f"event {wanted}", seconds=10, stand=lambda: outcome(world, name))


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


def test_status_shows_the_way_of_a_deletion(world: Surroundings) -> None:
    """While the cloud deletes, status has the request, its acceptance, the first sight of Deleting, and its id."""
    world.cloud.settings(timing={"delete_seconds": 3})
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.delete()
    status = world.wait_reason("Deleting")["status"]
    assert status["cacheStatus"] == "Deleting"
    assert condition({"status": status}, "Ready")["status"] == "False"
    assert condition({"status": status}, "Reconciling")["status"] == "True"
    deletion = status["deletion"]
    assert deletion["attempts"] == 1
    assert deletion["requestID"] == world.deletes(cache_id)[0]["request_id"]
    moments = [datetime.fromisoformat(deletion[name]) for name in ("requestedAt", "acceptedAt", "seenDeletingAt")]
    assert moments == sorted(moments)
    world.wait_gone()


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


def test_204_is_confirmed_before_it_is_believed(world: Surroundings) -> None:
    """A 204 proves nothing: the object goes only after the cache has left the list and its GET says 404."""
    cache_id = world.bind(delete_behaviour={"seconds": 1.5})
    world.cloud.settings(switches={"delete_answer": "204_still_there"})
    world.operator()
    world.wait_reason("Available")
    world.delete()
    world.wait_reason("Deleting")
    world.wait_gone()
    answers = [call["status"] for call in world.cloud.calls("ShowImageCache", cache_id)]
    assert answers[-1] == 404
    assert len(world.deletes(cache_id)) == 1


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
    assert "Deleted" in wait_event(world, "Deleted") or wait_event(world, "Deleted")


def test_gateway_404_is_never_gone(world: Surroundings) -> None:
    """While the gateway says that there is no such API, the object stays, Stalled with EndpointInvalid."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.fault("gateway_404")
    world.delete()
    world.annotate("web", "now")
    world.wait_stalled("EndpointInvalid")
    assert world.cloud.cache(cache_id)["status"] == "Available"  # type: ignore[index]
    world.cloud.clear_faults()
    world.annotate("web", "again")
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None


@pytest.mark.parametrize("kind", ["html", "empty_200", "garbage", "redirect"])
def test_answers_that_are_not_the_clouds_release_nothing(world: Surroundings, kind: str) -> None:
    """HTML, empty, garbled and redirecting answers are trouble, never an absence."""
    fields = {"status": 404} if kind == "html" else {}
    cache_id = world.bind()
    world.operator(IMAGECACHE_DELETE_RETRY_AFTER="1")
    world.wait_reason("Available")
    world.cloud.fault(kind, **fields)
    world.delete()
    world.wait_reason("EndpointInvalid", "CloudUnavailable")
    assert world.cloud.cache(cache_id) is not None
    world.cloud.clear_faults()
    world.annotate("web", "again")
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None


@pytest.mark.parametrize("variant", ["missing_key", "error_in_200", "array", "null", "wrong_types"])
def test_a_list_of_the_wrong_shape_proves_no_absence(world: Surroundings, variant: str) -> None:
    """With GET saying 404 and LIST being no list, the object stays until a good LIST lacks the cache."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.fault("wrong_shape", operation="ListImageCaches", variant=variant)
    world.cloud.vanish(cache_id)
    world.delete()
    if variant == "missing_key":
        # An object without error keys and without a list is how the cloud says "none" (cce-api section 1.2).
        world.wait_gone()
        return
    world.wait_reason("EndpointInvalid", "CloudUnavailable")
    assert world.get() is not None
    world.cloud.clear_faults()
    world.annotate("web", "again")
    world.wait_gone()


def test_wrong_project_is_a_conflict_not_an_absence(world: Surroundings) -> None:
    """An operator pointed at another project looks nowhere else: Conflict, naming both places."""
    cache_id = world.bind()
    first = world.operator()
    world.wait_reason("Available")
    first.program.stop()
    world.operator(IMAGECACHE_PROJECT_ID="f" * 32)
    world.delete()
    stalled = world.wait_stalled("Conflict")
    message = condition(stalled, "Stalled")["message"]
    assert "f" * 32 in message
    assert "0123456789abcdef0123456789abcdef" in message
    assert world.cloud.cache(cache_id)["status"] == "Available"  # type: ignore[index]
    world.set_spec(deletionPolicy="Retain")
    world.wait_gone()
    assert world.cloud.cache(cache_id) is not None


def test_absence_seen_by_another_account_proves_nothing(
    surroundings: Callable[..., Surroundings], cluster: Cluster
) -> None:
    """With credentials of another account the cloud says 404 for a live cache: the object is held."""
    accounts = [
        {
            "domain_id": letter * 32,
            "domain_name": f"account-{letter}",
            "access_keys": [{"access_key": f"AK{letter.upper()}0000000000000000", "secret_key": letter * 40}],
            "projects": [{"id": letter * 32, "name": "cn-north-4"}],
        }
        for letter in "ab"
    ]
    world = surroundings(cluster, {"accounts": accounts, "timing": {"delete_seconds": 0.5}})
    project = "a" * 32
    cache_id = world.bind(project=project)
    of_a = {"HUAWEICLOUD_SDK_AK": "AKA0000000000000000", "HUAWEICLOUD_SDK_SK": "a" * 40}
    first = world.operator(**of_a, IMAGECACHE_PROJECT_ID=project)
    world.wait_reason("Available")
    first.program.stop()
    calls = len(world.cloud.calls())
    other = world.operator(HUAWEICLOUD_SDK_AK="AKB0000000000000000", HUAWEICLOUD_SDK_SK="b" * 40)
    world.delete()
    world.wait_stalled("Conflict")
    other.program.stop()
    assert not [call for call in world.cloud.calls()[calls:] if call["method"] == "DELETE"]
    assert world.cloud.cache(cache_id) is not None
    world.operator(**of_a, IMAGECACHE_PROJECT_ID=project)
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None


def test_401_goes_to_the_slow_lane_and_names_the_key(world: Surroundings) -> None:
    """A key that the cloud refuses: Stalled with CredentialsInvalid, hardly any calls, no secret shown."""
    cache_id = world.bind()
    operator = world.operator()
    world.wait_reason("Available")
    world.cloud.settings(access_keys={"AKEXAMPLE0000000000": {"enabled": False}})
    world.delete()
    stalled = world.wait_stalled("CredentialsInvalid")
    assert "ak-" in condition(stalled, "Stalled")["message"]
    refused = [call for call in world.cloud.calls() if call["status"] == 401]
    world.annotate("web", "now")
    wait_for(lambda: world.get() is not None, what="the object is there", seconds=1)
    assert len([call for call in world.cloud.calls() if call["status"] == 401]) <= len(refused) + 1 <= 4
    assert world.cloud.cache(cache_id) is not None
    assert "SKEXAMPLE" not in operator.program.said()
    assert "SKEXAMPLE" not in str(world.get())


def test_403_names_the_missing_permission_and_recovers(world: Surroundings) -> None:
    """A denied DELETE: Stalled with AccessDenied naming the action; the annotation tries again at once."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.settings(denied_actions=["cce:imageCache:delete"])
    world.delete()
    stalled = world.wait_stalled("AccessDenied")
    assert "cce:imageCache:delete" in condition(stalled, "Stalled")["message"]
    world.cloud.settings(denied_actions=[])
    world.annotate("web", "granted")
    world.wait_gone()
    assert world.cloud.cache(cache_id) is None


def test_a_refused_deletion_is_asked_for_again_with_growing_pauses(world: Surroundings) -> None:
    """409 thrice, then 202: DeleteRefused, pauses that double, one DELETE per attempt."""
    cache_id = world.bind(delete_behaviour={"refuse": {"status": 409, "times": 3, "message": "it is in use"}})
    world.operator(IMAGECACHE_DELETE_RETRY_AFTER="0.5")
    world.wait_reason("Available")
    world.delete()
    refused = world.wait_reason("DeleteRefused")
    assert "it is in use" in condition(refused, "Ready")["message"]
    world.wait_gone()
    times = [call["monotonic"] for call in world.deletes(cache_id)]
    assert len(times) == 4
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, least in zip(pauses, (0.5, 1.0, 2.0), strict=True):
        # The pause counts from requestedAt, so the way to the cloud, which is never twice the same, is within it.
        assert pause >= least - 0.05


def test_a_deletion_that_reverts_is_asked_for_again(world: Surroundings) -> None:
    """Deleting, then Available again: DeleteReverted quotes the cloud; the second DELETE works."""
    cache_id = world.bind(delete_behaviour={"revert": {"to": "Available", "after": 1.0, "times": 1, "message": "no"}})
    world.operator(IMAGECACHE_DELETE_RETRY_AFTER="2")
    world.wait_reason("Available")
    world.delete()
    world.wait_reason("DeleteReverted")
    world.wait_gone()
    assert len(world.deletes(cache_id)) == 2


def test_a_deletion_that_never_ends_is_overdue_and_not_repeated(world: Surroundings) -> None:
    """For ever Deleting: Stalled with DeleteOverdue, one DELETE only; Retain lets go."""
    cache_id = world.bind(delete_behaviour={"never": True})
    world.operator(IMAGECACHE_STALLED_AFTER="2", IMAGECACHE_DELETE_RETRY_AFTER="0.2")
    world.wait_reason("Available")
    world.delete()
    world.wait_stalled("DeleteOverdue")
    assert len(world.deletes(cache_id)) == 1
    world.set_spec(deletionPolicy="Retain")
    world.wait_gone(seconds=3)
    assert "carry" in wait_event(world, "Retained")


def test_429_pauses_as_long_as_the_cloud_asks(world: Surroundings) -> None:
    """A decimal Retry-After holds the next DELETE; Throttled is shown, and it is no attempt."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.fault(
        "status", operation="DeleteImageCache", status=429, code="APIGW.0308", retry_after="1.534", times=1
    )
    world.delete()
    world.wait_gone()
    times = [call["monotonic"] for call in world.deletes(cache_id)]
    assert len(times) == 2
    assert times[1] - times[0] >= 1.5


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_to_delete_may_have_been_carried_out(world: Surroundings, status: int) -> None:
    """After a 5xx the operator looks instead of asking again; the work had been done."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.fault("status", operation="DeleteImageCache", status=status, work=True, times=1)
    world.delete()
    world.wait_gone()
    assert len(world.deletes(cache_id)) == 1


def test_a_lost_answer_is_looked_up_not_repeated(world: Surroundings) -> None:
    """The cloud did the work and its answer was lost: one DELETE, no second one."""
    cache_id = world.bind(delete_behaviour={"seconds": 2})
    world.operator(IMAGECACHE_DELETE_RETRY_AFTER="1")
    world.wait_reason("Available")
    world.cloud.fault("lost_answer", operation="DeleteImageCache", times=1)
    world.delete()
    world.wait_reason("Deleting")
    world.wait_gone()
    assert len(world.deletes(cache_id)) == 1


def test_a_hanging_cloud_is_waited_for_no_longer_than_the_timeout(world: Surroundings) -> None:
    """A DELETE without an answer ends after the request time-out, and the deletion goes on by looking."""
    cache_id = world.bind()
    world.operator(IMAGECACHE_REQUEST_TIMEOUT="1", IMAGECACHE_DELETE_RETRY_AFTER="1")
    world.wait_reason("Available")
    world.cloud.fault("hang", operation="DeleteImageCache", times=1, seconds=0)
    world.delete()
    world.wait_gone()
    assert len(world.deletes(cache_id)) == 2


def test_an_unknown_status_word_is_neither_usable_nor_gone(world: Surroundings) -> None:
    """A word that we do not know is shown as it is, with UnknownStatus, and its deletion is still asked for."""
    cache_id = world.bind(status="Hibernating")
    world.operator()
    found = world.wait_reason("UnknownStatus")
    assert found["status"]["cacheStatus"] == "Hibernating"
    world.delete()
    world.wait_gone()
    assert len(world.deletes(cache_id)) == 1


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


def test_an_id_that_never_was_is_told_and_let_go(world: Surroundings) -> None:
    """A wrong id: NotFound while it lives; its deletion ends with the Warning NeverSeen."""
    world.cluster.create(world.namespace, "web", imageCacheID="00000000-0000-0000-0000-000000000000")
    world.operator()
    world.wait_stalled("NotFound")
    world.delete()
    world.wait_gone()
    assert wait_event(world, "NeverSeen")


def test_changes_outside_kubernetes_are_followed(world: Surroundings) -> None:
    """Unavailable, Failed, Deleting and gone in the console show in the object's status."""
    cache_id = world.bind()
    world.operator()
    world.wait_reason("Available")
    world.cloud.change_cache(cache_id, status="Unavailable", message="disk broken")
    unavailable = world.wait_stalled("Unavailable")
    assert unavailable["status"]["cacheMessage"] == "disk broken"
    world.cloud.change_cache(cache_id, status="Failed", message="image not found")
    world.wait_stalled("Failed")
    world.cloud.change_cache(cache_id, status="Available", message=None)
    recovered = world.wait_reason("Available")
    assert not condition(recovered, "Stalled")
    world.cloud.vanish(cache_id)
    world.wait_stalled("NotFound")


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


def test_ready_stays_true_through_passing_trouble(world: Surroundings) -> None:
    """While the cloud is unavailable a good Ready stays; past the stall time it becomes Unknown, then recovers."""
    world.bind()
    world.operator(IMAGECACHE_STALLED_AFTER="4")
    world.wait_reason("Available")
    world.cloud.fault("status", status=503)
    world.annotate("web", "look")
    wait_for(lambda: world.cloud.calls()[-1]["status"] == 503, what="a look fails", seconds=10)
    assert condition(world.get(), "Ready")["status"] == "True"
    unknown = world.wait_reason("CloudUnavailable", seconds=20)
    assert condition(unknown, "Ready")["status"] == "Unknown"
    world.cloud.clear_faults()
    world.annotate("web", "look again")
    assert reason(world.wait_reason("Available")) == "Available"
