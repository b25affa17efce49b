"""Who holds which cache, and whom a change concerns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import CREATED, ELSEWHERE, HERE, ID, STRANGER, US, body, ready_status, resource

from imagecache_operator.identity import Identity
from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.store import Claim, Store, claim_of

CLAIM: Claim = (HERE, ID)
OTHER_ID = "d271e39e-1a6e-4d3d-8fa8-2a36329c68d2"


def cache(name: str, *, age: int = 0, uid: str | None = None, seen: Identity | None = US, **changes: Any) -> ImageCache:
    """An object that was made so many seconds before the others, and that saw the cache."""
    status = ready_status(identity=seen) if seen is not None else {}
    return resource(
        **({"name": name, "uid": uid or name, "created": CREATED - timedelta(seconds=age), "status": status} | changes)
    )


def holder(asking: ImageCache, *others: ImageCache, sees: bool = True) -> str | None:
    """The name of the other object that holds the cache, as the asking one is told."""
    store = Store()
    for one in (asking, *others):
        store.put(one)
    found = store.other_holder(asking, CLAIM, sees=sees)
    return found.name if found is not None else None


OBSERVE = {"imageCacheID": ID, "managementPolicy": "Observe"}
RETAIN = {"imageCacheID": ID, "deletionPolicy": "Retain"}


@pytest.mark.parametrize(
    ("asking", "others", "sees", "expected"),
    [
        pytest.param(cache("me"), [], True, None, id="nobody else"),
        pytest.param(cache("me", age=9), [cache("young")], True, None, id="the others are younger"),
        pytest.param(cache("me"), [cache("old", age=9)], True, "old", id="another is older"),
        pytest.param(
            cache("me", age=5), [cache("oldest", age=9), cache("young")], True, "oldest", id="the oldest holds it"
        ),
        pytest.param(cache("me", uid="a"), [cache("twin", uid="b")], True, None, id="equally old: our uid is lower"),
        pytest.param(cache("me", uid="b"), [cache("twin", uid="a")], True, "twin", id="equally old: its uid is lower"),
        pytest.param(cache("me"), [cache("old", age=9, spec=OBSERVE)], True, None, id="the older one only observes"),
        pytest.param(
            cache("me"), [cache("old", age=9, seen=None)], True, None, id="the older one has never seen the cache"
        ),
        pytest.param(cache("me"), [cache("old", age=9, spec=RETAIN)], True, "old", id="the older one retains"),
        pytest.param(
            cache("me", age=9, seen=None), [cache("young")], False, "young", id="we are older but never saw it"
        ),
        pytest.param(cache("me", age=9, seen=None), [cache("young")], True, None, id="we are older and see it now"),
        pytest.param(cache("me", seen=None), [cache("old", age=9)], True, "old", id="we see it now but are younger"),
        pytest.param(cache("me", age=9, spec=OBSERVE), [cache("young")], True, "young", id="we only observe"),
        pytest.param(
            cache("me"),
            [cache("old", age=9, status=ready_status(identity=Identity(ELSEWHERE, "account-1", "key")))],
            True,
            None,
            id="the older one has the same id at another location",
        ),
        pytest.param(
            cache("me"), [cache("old", age=9, seen=STRANGER)], True, "old", id="the older one sees it with other keys"
        ),
        pytest.param(
            cache("me"),
            [cache("old", age=9, status=ready_status() | {"imageCacheID": OTHER_ID})],
            True,
            None,
            id="the older one stands for another cache",
        ),
        pytest.param(
            cache("me"),
            [cache("old", age=9, namespace="team-b")],
            True,
            "old",
            id="the older one is in another namespace",
        ),
        pytest.param(
            cache("me"),
            [cache("old", age=9, deleted=CREATED)],
            True,
            "old",
            id="the older one is being deleted and not gone yet",
        ),
    ],
)
def test_the_holder_is_the_oldest_that_manages_and_saw_the_cache(
    asking: ImageCache, others: list[ImageCache], sees: bool, expected: str | None
) -> None:
    """Oldest, then lower uid, Manage, and a sighting."""
    assert holder(asking, *others, sees=sees) == expected
    assert holder(asking, *reversed(others), sees=sees) == expected


def test_of_two_objects_exactly_one_may_write() -> None:
    """Never both, never none."""
    one, two = cache("one", uid="a"), cache("two", uid="b")
    assert [holder(one, two), holder(two, one)] == [None, "one"]


def test_the_next_one_holds_the_cache_when_the_holder_goes() -> None:
    """Claims follow the objects."""
    store = Store()
    old, young = cache("old", age=9), cache("young")
    store.put(old)
    store.put(young)
    assert store.other_holder(young, CLAIM, sees=True) == old.key
    assert store.remove(old.key) == old
    assert store.other_holder(young, CLAIM, sees=True) is None


def test_a_claim_ends_when_the_object_only_observes() -> None:
    """A new version replaces the claims of the old one."""
    store = Store()
    young = cache("young")
    store.put(young)
    store.put(cache("old", age=9))
    store.put(cache("old", age=9, spec=OBSERVE, version="8"))
    assert store.other_holder(young, CLAIM, sees=True) is None


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        pytest.param({"version": "7"}, {"version": "8"}, True, id="a newer version"),
        pytest.param({"version": "9"}, {"version": "10"}, True, id="versions are numbers"),
        pytest.param({"version": "8"}, {"version": "7"}, False, id="an older version"),
        pytest.param({"version": "8"}, {"version": "8"}, False, id="the same version"),
        pytest.param(
            {"version": "8", "uid": "a"}, {"version": "7", "uid": "b"}, True, id="another object of that name"
        ),
    ],
)
def test_only_news_are_kept(first: dict[str, str], second: dict[str, str], taken: bool) -> None:
    """Watch, list and patch answers come in any order."""
    store = Store()
    assert store.put(resource(**first))
    assert store.put(resource(**second)) is taken
    known = store.get(Key("team-a", "web"))
    assert known is not None
    assert known.resource_version == (second if taken else first)["version"]
    assert len(store) == 1


def test_a_change_concerns_those_who_stand_for_the_id_and_those_who_look_for_the_name() -> None:
    """By the pinned id, by the id of the spec, by the name while no id is known."""
    store = Store()
    by_status = resource(name="by-status", spec={"name": "web"})
    by_spec = resource(name="by-spec", status={})
    by_name = resource(name="by-name", spec={"name": "web"}, status={})
    for one in (by_status, by_spec, by_name):
        store.put(one)
    assert store.concerned([ID], []) == {by_status.key, by_spec.key}
    assert store.concerned([], ["web"]) == {by_name.key}
    assert store.concerned([OTHER_ID], ["db"]) == set()
    assert {one.key for one in store} == {by_status.key, by_spec.key, by_name.key}


def test_a_name_concerns_nobody_once_the_id_is_pinned() -> None:
    """A later cache of the same name is not silently taken."""
    store = Store()
    store.put(resource(spec={"name": "web"}, status={}))
    store.put(resource(spec={"name": "web"}, version="8"))
    assert store.concerned([], ["web"]) == set()
    assert store.concerned([ID], []) == {Key("team-a", "web")}


def test_an_object_that_is_gone_concerns_nobody() -> None:
    """Nothing is left of it in any index."""
    store = Store()
    store.put(resource())
    store.remove(Key("team-a", "web"))
    assert store.remove(Key("team-a", "web")) is None
    assert store.get(Key("team-a", "web")) is None
    assert store.concerned([ID], ["web"]) == set()
    assert len(store) == 0


@pytest.mark.parametrize(
    ("one", "cache_id", "claim"),
    [
        pytest.param(resource(), ID, CLAIM, id="seen"),
        pytest.param(resource(status={}), ID, None, id="bound by id and never seen"),
        pytest.param(resource(spec={"name": "web"}, status={}), None, None, id="bound by name and never seen"),
        pytest.param(resource(spec=OBSERVE), ID, None, id="an observer"),
    ],
)
def test_who_may_hold_what(one: ImageCache, cache_id: str | None, claim: Claim | None) -> None:
    """A sighting confirms the id; only a manager may hold."""
    assert one.cache_id == cache_id
    assert claim_of(one) == claim


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, True),
        ({"resourceVersion": "6"}, True),
        ({"resourceVersion": "8"}, False),
        ({"resourceVersion": "10"}, False),
        ({"resourceVersion": "new"}, False),
        ({"uid": "another"}, False),
        ({"name": "another"}, False),
        ({"namespace": "another"}, False),
    ],
    ids=str,
)
def test_a_version_that_is_known_need_not_be_read(changes: dict[str, str], known: bool) -> None:
    """Told by raw metadata: the same object, at this version or a newer one; versions are numbers."""
    store = Store()
    store.put(resource())
    assert store.knows(body()["metadata"] | changes) is known
    assert not store.knows({})


def test_the_holder_is_told_without_an_object_that_asks() -> None:
    """The oldest whose status claims the cache; nobody where none does."""
    store = Store()
    for one in (cache("younger"), cache("older", age=5), cache("observer", age=9, spec=OBSERVE)):
        store.put(one)
    assert store.holder(CLAIM) == Key("team-a", "older")
    assert store.holder((ELSEWHERE, ID)) is None
