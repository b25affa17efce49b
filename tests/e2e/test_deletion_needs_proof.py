"""What is no proof of absence holds the object: wrong answers, another project, another account."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagecache_playground.cluster import Cluster, condition
from imagecache_playground.surroundings import Surroundings


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
