"""Objects that compete: for a name, and for slots after a restart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import CREATED, rfc
from tests.runtime.fakes import CREATE, LIST
from tests.runtime.reconciler_kit import KEY, MADE, Kit, born, delete, message, retain
from tests.runtime.virtual_time import EPOCH, pass_time

from imagecache_operator.imagecache import ImageCache, Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import CacheStatus
from imagecache_operator.store import Store

YOUNGER = Key("team-a", "younger")


# --- one name for two


async def test_the_older_holds_the_name_and_the_younger_takes_over(kit: Kit) -> None:
    """One POST; the younger says who holds it, and creates as soon as that is gone, without being asked."""
    kit.apply({"name": "shared"}, name="younger", **born(2))
    kit.apply({"name": "shared"}, **born(1))
    await pass_time(10)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("Creating", "Conflict")
    assert "web" in message(kit, YOUNGER)
    assert kit.cloud.count(CREATE) == 1
    kit.edit(delete)
    await pass_time(10)
    assert kit.reason(YOUNGER) == "Conflict"
    kit.cloud.caches.clear()
    await pass_time(10)
    assert kit.reason(YOUNGER) == "Creating"
    assert kit.cloud.count(CREATE) == 2


async def test_whoever_has_asked_holds_the_name_before_an_older_one(kit: Kit) -> None:
    """An object that comes late, though it is older, takes nothing away."""
    kit.apply({"name": "shared"}, name="younger", **born(2))
    await pass_time(10)
    kit.apply({"name": "shared"}, **born(1))
    await pass_time(100)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("Conflict", "Creating")
    assert kit.cloud.count(CREATE) == 1


async def test_a_cache_that_was_retained_stays_in_the_way(kit: Kit) -> None:
    """Who takes over the name does not take over somebody else's cache."""
    kit.apply({"name": "shared"}, **born(1))
    kit.apply({"name": "shared"}, name="younger", **born(2))
    await pass_time(10)
    kit.edit(retain, delete)
    await pass_time(70)
    assert kit.reason(YOUNGER) == "Conflict"
    assert "spec.adoptionPolicy" in message(kit, YOUNGER)
    assert (kit.cloud.count(CREATE), len(kit.cloud.caches)) == (1, 1)


async def test_who_takes_over_a_name_looks_anew(kit: Kit) -> None:
    """The list of a moment ago is older than the cache that the former holder made and has just let go of."""
    kit.apply({"name": "shared"}, **born(1))
    kit.apply({"name": "shared"}, name="younger", **born(2))
    await pass_time(0.2)
    assert (kit.cloud.count(CREATE), kit.cloud.count(LIST)) == (1, 1)
    kit.edit(lambda it: it["spec"].update(managementPolicy="Observe"))
    await pass_time(10)
    assert (kit.cloud.count(CREATE), kit.reason(YOUNGER)) == (1, "Conflict")
    assert "did not create" in message(kit, YOUNGER)


async def test_an_older_rival_takes_no_cache_away(kit: Kit) -> None:
    """Who merely wants the name is no holder of the cache: when both go, it is deleted, not left behind."""
    kit.apply({"name": "shared", "managementPolicy": "Observe"}, **born(1))
    kit.apply({"name": "shared"}, name="younger", **born(2))
    await pass_time(10)
    kit.edit(lambda it: it["spec"].pop("managementPolicy"))
    kit.cloud.become(MADE, CacheStatus.AVAILABLE)
    await pass_time(70)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("Conflict", "Available")
    kit.edit(delete)
    kit.edit(delete, key=YOUNGER)
    await pass_time(10)
    assert kit.cloud.caches[MADE].status == CacheStatus.DELETING


async def test_who_waits_for_a_name_asks_for_no_looks(kit: Kit) -> None:
    """However many wait, the account is looked at as if they were not there."""
    kit.apply({"name": "shared"}, **born(1))
    for number in range(2, 10):
        kit.apply({"name": "shared"}, name=f"o{number}", **born(number))
    await pass_time(5)
    kit.cloud.become(MADE, CacheStatus.AVAILABLE)
    await pass_time(10)
    lists, passes = kit.cloud.count(LIST), kit.passes("success")
    await pass_time(600)
    assert kit.cloud.count(LIST) - lists <= 12
    assert kit.passes("success") == passes


async def test_another_name_is_nobodys_rival(kit: Kit) -> None:
    """Each gets its own; the name is that of the object unless it says another."""
    kit.apply(**born(1))
    kit.apply(name="younger", **born(2))
    await pass_time(10)
    assert sorted(cache.name for cache in kit.cloud.caches.values()) == ["web", "younger"]


async def test_who_only_observes_holds_no_name(kit: Kit) -> None:
    """It asks for nothing."""
    kit.apply({"name": "shared", "managementPolicy": "Observe"}, **born(1))
    kit.apply({"name": "shared"}, name="younger", **born(2))
    await pass_time(10)
    assert kit.reason(YOUNGER) == "Creating"


def _resource(number: int, *, asked: bool = False, **changes: Any) -> ImageCache:
    creation = {"creation": {"attemptID": "a-0", "requestedAt": rfc(EPOCH), "specHash": "h"}} if asked else {}
    made = {
        "metadata": {
            "namespace": "ns",
            "name": f"o{number}",
            "uid": f"uid-{number}",
            "resourceVersion": "1",
            "creationTimestamp": rfc(CREATED + timedelta(minutes=number)),
        },
        "spec": {"images": ["nginx"], "name": "shared"} | changes,
        "status": creation,
    }
    return ImageCache.parse(made)


def test_the_store_knows_who_wants_a_name() -> None:
    """Objects that bind do not; one that changes its name, or goes, does not any more."""
    store, first, second = Store(), _resource(1), _resource(2)
    store.put(first)
    store.put(second)
    store.put(ImageCache.parse({**_raw("b"), "spec": {"name": "shared"}}))
    assert store.wanting("shared") == {first.key, second.key}
    store.remove(second.key)
    assert store.wanting("shared") == {first.key}
    assert store.wanting("other") == set()


def _raw(name: str) -> dict[str, Any]:
    meta = {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": rfc(CREATED)}
    return {"metadata": meta, "spec": {}, "status": {}}


def test_the_holder_of_a_name() -> None:
    """Who asks, who has asked, then the oldest; None for the holder itself, and where there is no rival."""
    store, first, second, asked = Store(), _resource(1), _resource(2), _resource(3, asked=True)
    for resource in (first, second, asked):
        store.put(resource)
    two, three = [first.key, second.key], [first.key, second.key, asked.key]

    def holder(who: ImageCache, rivals: list[Key], *asking: ImageCache) -> Key | None:
        return store.name_holder(who, rivals, asks=lambda it: it in asking)

    assert (holder(first, two), holder(second, two)) == (None, first.key)
    assert [holder(each, three) for each in (first, second, asked)] == [asked.key, asked.key, None]
    assert [holder(each, three, second) for each in (first, second, asked)] == [second.key, None, second.key]
    assert holder(second, [second.key]) is None


# --- slots


@pytest.mark.parametrize("answer", [None, "Refused", "Lost"])
async def test_creations_of_a_former_process_take_slots(kit: Kit, answer: str | None) -> None:
    """Also those of which no cache was ever seen, whose location no status tells."""
    ask = {"attemptID": "a-0", "requestedAt": rfc(EPOCH - timedelta(seconds=20)), "specHash": "h"}
    creation = ask if answer is None else ask | {"answer": answer}
    for number in range(8):
        status = {"creation": creation}
        kit.apply(name=f"o{number}", uid=f"u{number}", status=status, finalizers=[FINALIZER])
    kit.reconciler.objects.seed_limiters()
    kit.cloud.hold(CREATE)
    await pass_time(1)
    sent = kit.cloud.count(CREATE)
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sent + sum(free) == 2
    assert kit.cloud.count(LIST) >= 1


async def test_fifty_objects_at_once(kit: Kit) -> None:
    """Ten in the first minute, then as the window allows; each is asked for once."""
    for number in range(50):
        kit.apply(name=f"o{number}", **born(number))
    await pass_time(1)
    assert kit.cloud.count(CREATE) == 10
    assert kit.cloud.count(LIST) <= 5
    await pass_time(5 * 62)
    assert kit.cloud.count(CREATE) == 50
    assert len({cache.name for cache in kit.cloud.caches.values()}) == 50
    assert {kit.reason(key) for key in kit.kubernetes.objects} == {"Creating"}
    assert KEY not in kit.kubernetes.objects
