"""Which object holds which cache, as list tells it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import CREATED, ELSEWHERE, HERE, ID, STRANGER, ready_status, resource

from imagecache_operator.commands.holdings import Holding, holdings
from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.observation import Cache, CacheStatus
from imagecache_operator.placement import Placement

CACHE = Cache(ID, "nginx", CacheStatus.AVAILABLE)
OBSERVE = {"imageCacheID": ID, "managementPolicy": "Observe"}
UNSEEN: dict[str, Any] = {}


def place_of(it: ImageCache) -> Placement | None:
    """As settings with that region do; a Secret's objects are not those of the list."""
    if it.credentials_ref is not None:
        return None
    return Placement(it.spec.region or HERE.region, it.spec.project_id)


def held(*objects: ImageCache, cache: Cache = CACHE) -> Holding:
    """The one cache, with those objects."""
    [holding] = holdings([cache], HERE, objects, place_of)
    return holding


def names(keys: tuple[Key, ...]) -> list[str]:
    """The names of objects."""
    return [key.name for key in keys]


def test_the_oldest_that_has_seen_it_holds_it() -> None:
    """The younger one is in conflict, and still names it."""
    older = resource(name="older", uid="1", created=CREATED - timedelta(days=1))
    found = held(resource(name="younger", uid="2"), older)
    assert found.holder == older.key
    assert names(found.named_by) == ["younger"]
    assert not found.free


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"spec": {"imageCacheID": ID}, "status": UNSEEN}, id="bound by id"),
        pytest.param({"spec": {"name": "nginx"}, "status": UNSEEN}, id="bound by name"),
        pytest.param({"name": "nginx", "spec": {"images": ["nginx"]}, "status": UNSEEN}, id="creates that name"),
        pytest.param(
            {"spec": {"imageCacheID": ID, "credentialsSecretRef": {"name": "s"}}, "status": UNSEEN}, id="with a Secret"
        ),
    ],
)
def test_an_object_that_was_not_looked_at_yet_names_it(changes: dict[str, Any]) -> None:
    """A second object for it would be a conflict, so there is no manifest for it."""
    found = held(resource(**changes))
    assert found.holder is None
    assert len(found.named_by) == 1
    assert not found.free


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"spec": {"imageCacheID": ID.replace("c", "d")}, "status": UNSEEN}, id="another id"),
        pytest.param({"spec": {"name": "redis"}, "status": UNSEEN}, id="another name"),
        pytest.param({"spec": {"name": "nginx", "region": "cn-north-4"}, "status": UNSEEN}, id="another region"),
        pytest.param({"spec": {"name": "nginx", "projectID": "f" * 32}, "status": UNSEEN}, id="another project"),
        pytest.param(
            {"spec": {"name": "nginx", "credentialsSecretRef": {"name": "s"}}, "status": UNSEEN}, id="another account"
        ),
        pytest.param(
            {"status": ready_status(identity=Identity(ELSEWHERE, "account-1", "key-aaaa"))}, id="seen elsewhere"
        ),
        pytest.param(
            {"spec": {"name": "nginx"}, "status": ready_status() | {"imageCacheID": ID.replace("c", "d")}},
            id="a former cache of that name",
        ),
    ],
)
def test_what_means_another_cache_leaves_it_free(changes: dict[str, Any]) -> None:
    """Nobody holds it, and a manifest may bind it."""
    found = held(resource(**changes))
    assert (found.holder, found.named_by, found.free) == (None, (), True)


def test_whoever_only_observes_holds_nothing() -> None:
    """It is told, and a manifest may bind the cache beside it."""
    found = held(resource(spec=OBSERVE))
    assert found.holder is None
    assert names(found.observed_by) == ["web"]
    assert found.free


def test_an_account_that_changed_still_holds_at_that_location() -> None:
    """The claim is by location and id, as in the operator."""
    assert held(resource(status=ready_status(identity=STRANGER))).holder is not None


def test_a_cache_that_is_being_deleted_is_not_for_binding() -> None:
    """Held by nobody, and gone soon."""
    assert not held(cache=Cache(ID, "nginx", CacheStatus.DELETING)).free


def test_caches_come_by_name() -> None:
    """So that two lists can be compared."""
    caches = [Cache(f"{number}", name, CacheStatus.FAILED) for number, name in enumerate(("c", "a", "b"))]
    assert [it.cache.name for it in holdings(caches, HERE, [], place_of)] == ["a", "b", "c"]
