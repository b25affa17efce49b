"""The status follows what the cloud says: a deletion on its way, changes by others, unknown words, outages."""

from __future__ import annotations

from datetime import datetime

from imagecache_playground.cluster import condition, reason
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings


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


def test_an_unknown_status_word_is_neither_usable_nor_gone(world: Surroundings) -> None:
    """A word that we do not know is shown as it is, with UnknownStatus, and its deletion is still asked for."""
    cache_id = world.bind(status="Hibernating")
    world.operator()
    found = world.wait_reason("UnknownStatus")
    assert found["status"]["cacheStatus"] == "Hibernating"
    world.delete()
    world.wait_gone()
    assert len(world.deletes(cache_id)) == 1


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
