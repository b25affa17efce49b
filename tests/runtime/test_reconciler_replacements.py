"""A cache that is replaced: deleted, proven gone, created anew under its name; and changes of mind in the middle."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from tests.decision.builders import ID, rfc
from tests.runtime.fakes import CREATE, DELETE, GET
from tests.runtime.reconciler_kit import KEY, MADE, MADE_NEXT, Change, Kit, delete, retain, touch
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import Lost, Refused
from imagecache_operator.imagecache import Key
from imagecache_operator.names import RECREATE_ANNOTATION
from imagecache_operator.observation import CacheStatus

REPLACES = {"recreateOn": ["SpecChanged"]}


def resize(changed: dict[str, Any]) -> None:
    """Another cache is wanted."""
    changed["spec"]["sizeGiB"] = 40


def put_back(changed: dict[str, Any]) -> None:
    """The old cache is wanted after all."""
    changed["spec"].pop("sizeGiB", None)


def observe(changed: dict[str, Any]) -> None:
    """Nothing is to be changed in the cloud any more."""
    changed["spec"]["managementPolicy"] = "Observe"


def forbid(changed: dict[str, Any]) -> None:
    """Nothing is to be replaced any more."""
    changed["spec"].pop("recreateOn", None)
    put_back(changed)


def recreate(changed: dict[str, Any]) -> None:
    """A person asks for another cache."""
    changed["metadata"].setdefault("annotations", {})[RECREATE_ANNOTATION] = "please"


async def available(kit: Kit, spec: dict[str, Any] | None = None) -> None:
    """An object whose cache was created and is Available."""
    kit.apply(REPLACES if spec is None else spec)
    await pass_time(1)
    kit.cloud.become(MADE, CacheStatus.AVAILABLE)
    await pass_time(6)
    assert kit.reason() == "Available"


async def finish(kit: Kit) -> None:
    """The old cache goes, the new one is built."""
    del kit.cloud.caches[MADE]
    await pass_time(10)
    kit.cloud.become(MADE_NEXT, CacheStatus.AVAILABLE)
    await pass_time(10)


async def test_a_replacement_from_begin_to_end(kit: Kit) -> None:
    """DELETE once, the proof, POST once with the new spec; every status tells of the generation that it is about."""
    await available(kit)
    before = len(kit.kubernetes.patches)
    kit.edit(resize)
    await pass_time(6)
    assert (kit.reason(), kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == ("Recreating", 1, 1)
    assert kit.status()["observedGeneration"] == kit.kubernetes.objects[KEY]["metadata"]["generation"]
    assert kit.status()["conditions"][0]["status"] == "False"
    gets = kit.cloud.count(GET)
    await finish(kit)
    assert (kit.reason(), kit.status()["imageCacheID"]) == ("Available", MADE_NEXT)
    assert "deletion" not in kit.status()
    assert kit.cloud.count(GET) > gets
    assert (kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == (1, 2)
    assert [body["image_cache_size"] for body in kit.cloud.bodies] == [20, 40]
    assert len(kit.kubernetes.patches) - before <= 9
    patches = len(kit.kubernetes.patches)
    await pass_time(600)
    assert len(kit.kubernetes.patches) == patches


async def test_a_kill_at_every_stage_changes_nothing(kit: Kit) -> None:
    """Each process goes on from what the former has written."""
    await available(kit)
    hold = kit.cloud.hold(DELETE)
    kit.edit(resize)
    await settle()
    kit.cloud.let_go(DELETE)
    await kit.restart()
    hold.set()
    await pass_time(6)
    assert (kit.reason(), kit.cloud.count(DELETE)) == ("Recreating", 1)
    await kit.restart(after=1.0)
    hold = kit.cloud.hold(CREATE)
    del kit.cloud.caches[MADE]
    await pass_time(8)
    assert kit.cloud.count(CREATE) == 2
    kit.cloud.let_go(CREATE)
    await kit.restart()
    hold.set()
    await pass_time(6)
    assert (kit.status()["imageCacheID"], kit.reason()) == (MADE_NEXT, "Creating")
    await kit.restart()
    kit.cloud.become(MADE_NEXT, CacheStatus.AVAILABLE)
    await pass_time(10)
    assert kit.reason() == "Available"
    assert (kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == (1, 2)


@pytest.mark.parametrize("change", [retain, observe, put_back, forbid], ids=lambda change: change.__name__)
async def test_a_change_of_mind_while_the_delete_waits_for_a_slot(kit: Kit, change: Change) -> None:
    """Retain says nothing of a replacement, all else ends it; the DELETE has not gone out, so nothing has happened."""
    await available(kit)
    for _ in range(10):
        kit.limiter().occupy(0.0)
    kit.edit(resize)
    await settle()
    assert kit.limiter().waiting == 1
    kit.edit(change)
    await pass_time(70)
    assert kit.cloud.count(DELETE) == (1 if change is retain else 0)
    if change is not retain:
        assert kit.limiter().waiting == 0
        assert "deletion" not in kit.status()
        assert MADE in kit.cloud.caches


@pytest.mark.parametrize("change", [observe, put_back, forbid], ids=lambda change: change.__name__)
async def test_a_change_of_mind_while_the_delete_waits_for_its_turn(kit: Kit, change: Change) -> None:
    """Its intent is written, but it does not go out; that is no attempt, and the cache is shown as it is."""
    await available(kit)
    writing = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    kit.edit(resize)
    await settle()
    [account] = kit.accounts
    hold = kit.cloud.hold(GET)
    kit.busy.extend(asyncio.create_task(account.get(f"id-{number}")) for number in range(3))
    await settle()
    del kit.kubernetes.holds["patch_status"]
    writing.set()
    await settle()
    assert kit.status()["deletion"]["attempts"] == 1
    kit.edit(change)
    await settle()
    kit.cloud.let_go(GET)
    hold.set()
    await pass_time(70)
    assert kit.cloud.count(DELETE) == 0
    assert kit.cloud.caches[MADE].status == CacheStatus.AVAILABLE
    assert kit.reason() == ("Conflict" if change is observe else "Available")
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 10


async def test_a_spec_put_back_after_the_delete_gets_the_former_cache_anew(kit: Kit) -> None:
    """The old one goes in any case; what is created is what is wanted then."""
    await available(kit)
    kit.edit(resize)
    await pass_time(6)
    kit.edit(put_back)
    await pass_time(6)
    await finish(kit)
    assert kit.reason() == "Available"
    assert [body["image_cache_size"] for body in kit.cloud.bodies] == [20, 20]


async def test_a_policy_withdrawn_after_the_delete_leaves_nothing(kit: Kit) -> None:
    """Where nothing may be created anew, what is gone is told as gone."""
    await available(kit)
    kit.edit(resize)
    await pass_time(6)
    kit.edit(forbid)
    del kit.cloud.caches[MADE]
    await pass_time(80)
    assert (kit.reason(), kit.cloud.count(CREATE)) == ("NotFound", 1)


@pytest.mark.parametrize("gone", [True, False], ids=["the old cache is gone", "it is being deleted"])
async def test_a_deletion_in_the_middle(kit: Kit, gone: bool) -> None:
    """Nothing more is created, no second DELETE is sent, and the object goes with the proof."""
    await available(kit)
    kit.edit(resize)
    await pass_time(6)
    if gone:
        kit.kubernetes.holds["patch_status"] = asyncio.Event()
        del kit.cloud.caches[MADE]
        await pass_time(6)
        hold = kit.kubernetes.holds.pop("patch_status")
        kit.edit(delete)
        hold.set()
    else:
        kit.edit(delete)
        await pass_time(6)
        assert KEY in kit.kubernetes.objects
        del kit.cloud.caches[MADE]
    await pass_time(20)
    assert kit.released("deleted") == 1
    assert (kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == (1, 1)


async def test_retain_and_deletion_in_the_middle(kit: Kit) -> None:
    """A person's word lets go at once, and the Event says that the cloud may still carry out the DELETE."""
    await available(kit)
    kit.edit(resize)
    await pass_time(6)
    kit.edit(retain, delete)
    await settle()
    assert kit.released("retained") == 1
    await kit.reconciler._events.flush(1.0)
    assert any("may still carry out" in event["message"] for event in kit.kubernetes.events)


async def test_the_second_answer_may_be_lost(kit: Kit) -> None:
    """The new cache is found by its name; the old one is not taken for it."""
    await available(kit)
    kit.edit(resize)
    await pass_time(6)
    kit.cloud.create_answers.append(Lost("cut off"))
    del kit.cloud.caches[MADE]
    hold = kit.cloud.hold(CREATE)
    await pass_time(8)
    kit.cloud.build(kit.cloud.bodies[1])
    kit.cloud.let_go(CREATE)
    hold.set()
    await pass_time(8)
    assert (kit.status()["imageCacheID"], kit.reason()) == (MADE_NEXT, "Creating")
    assert kit.cloud.count(CREATE) == 2


async def test_the_delete_of_a_replacement_goes_after_deletions(kit: Kit) -> None:
    """Whoever is being deleted waits for no replacement."""
    await available(kit)
    kit.cloud.put(ID, name="old")
    kit.make(name="old", uid="uid-old", spec={"imageCacheID": ID}, status={})
    await settle()
    for _ in range(9):
        kit.limiter().occupy(0.0)
    kit.edit(resize)
    await settle()
    kit.edit(delete, key=Key("team-a", "old"))
    await settle()
    kit.limiter().occupy(1.0)
    await pass_time(70)
    deleted = [call.cache_id for call in kit.cloud.calls if call.operation is DELETE]
    assert deleted == [ID, MADE]


async def test_recreate_by_annotation_once(kit: Kit) -> None:
    """Status echoes what was done, so that it is done once, also after a restart."""
    await available(kit, {})
    kit.edit(recreate)
    await pass_time(6)
    assert "lastHandledRecreateAt" not in kit.status()
    assert kit.reason() == "Recreating"
    await finish(kit)
    assert (kit.reason(), kit.status()["lastHandledRecreateAt"]) == ("Available", "please")
    await kit.restart()
    await pass_time(100)
    assert (kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == (1, 2)


async def test_the_end_of_a_cache_is_announced_once(kit: Kit) -> None:
    """One Event 24 hours before; Expired when the time has come; the object looks by itself."""
    await available(kit, {"retentionDays": 2})
    expires = EPOCH + timedelta(days=2)

    async def told() -> int:
        await kit.reconciler._events.flush(1.0)
        return sum("retention ends" in event["message"] for event in kit.kubernetes.events)

    await pass_time(23 * 3600)
    assert await told() == 0
    assert kit.status()["expiresAt"].startswith(f"{expires:%Y-%m-%dT%H:%M}")
    await pass_time(2 * 3600)
    assert await told() == 1
    kit.edit(touch)
    await pass_time(10 * 3600)
    assert (await told(), kit.reason()) == (1, "Available")
    await pass_time(14 * 3600)
    assert (await told(), kit.reason()) == (1, "Expired")
    assert kit.status()["conditions"][0]["status"] == "False"
    assert kit.cloud.count(CREATE) == 1


async def test_a_failed_build_is_replaced_three_times(kit: Kit) -> None:
    """After growing pauses; then it is left as it is, and told."""
    kit.apply({"recreateOn": ["Failed"]})
    begun = kit.clock.monotonic()
    for _ in range(4000):
        await pass_time(1)
        for cache_id, cache in list(kit.cloud.caches.items()):
            if cache.status == CacheStatus.CREATING:
                kit.cloud.become(cache_id, CacheStatus.FAILED, "no such image")
            elif cache.status == CacheStatus.DELETING:
                del kit.cloud.caches[cache_id]
    posts = [moment - begun for moment in kit.cloud.begun(CREATE)]
    pauses = [later - earlier for earlier, later in pairwise(posts)]
    assert pauses == [pytest.approx(60, abs=15), pytest.approx(300, abs=15), pytest.approx(900, abs=15)]
    assert kit.reason() == "Failed"
    assert "no such image" in kit.status()["conditions"][0]["message"]


async def test_the_crd_is_deleted_in_the_middle_of_a_replacement(kit: Kit) -> None:
    """Its DELETE was refused, the object is now deleted together with the CRD: the cache stays."""
    await available(kit)
    kit.cloud.answers.append(Refused("409: locked"))
    kit.edit(resize)
    await pass_time(6)
    assert kit.cloud.count(DELETE) == 1
    kit.kubernetes.crd["metadata"]["deletionTimestamp"] = rfc(EPOCH)
    kit.edit(delete)
    await pass_time(120)
    assert (kit.cloud.count(DELETE), kit.released("retained")) == (1, 1)
    assert MADE in kit.cloud.caches


async def test_a_lost_post_that_worked_holds_no_later_one(kit: Kit) -> None:
    """Its cache was found; another is asked for within two minutes."""
    kit.cloud.create_answers.append(Lost("cut off"))
    kit.apply()
    await pass_time(0.1)
    found = kit.cloud.build(kit.cloud.bodies[0], status=CacheStatus.AVAILABLE)
    await pass_time(10)
    assert (kit.status()["imageCacheID"], kit.reason()) == (found, "Available")
    kit.edit(recreate)
    await pass_time(1)
    del kit.cloud.caches[found]
    await pass_time(30)
    assert kit.cloud.count(CREATE) == 2


async def test_a_cache_that_is_taken_over_is_not_built_anew_at_once(kit: Kit) -> None:
    """The manifest has an annotation from last year."""
    body = {"name": "web", "images": ["nginx"], "image_cache_size": 20, "retention_days": 0}
    kit.cloud.build(body | {"building_config": {"cluster": "cluster-1"}}, status=CacheStatus.AVAILABLE)
    kit.apply({"adoptionPolicy": "IfIdentical"}, recreate="2025-01")
    await pass_time(60)
    assert (kit.reason(), kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == ("Available", 0, 0)
    kit.edit(recreate)
    await pass_time(5)
    assert kit.cloud.count(DELETE) == 1
