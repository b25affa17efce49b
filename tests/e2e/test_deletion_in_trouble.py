"""A DELETE that is refused, reverted, throttled, lost or never ends: asked for again when that is right, and told."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.e2e.kit import wait_event

from imagecache_playground.cluster import condition
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings


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
