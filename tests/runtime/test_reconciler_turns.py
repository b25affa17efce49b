"""Writes that only tell something: few at a time, later than those on which something depends, and complete."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.decision.builders import ID
from tests.runtime.fakes import DELETE
from tests.runtime.reconciler_kit import KEY, Kit, delete, retain
from tests.runtime.virtual_time import pass_time, settle

from imagecache_operator.imagecache import Key
from imagecache_operator.observation import CacheStatus
from imagecache_operator.reconciler import TELLERS_MAX
from imagecache_operator.tracking import TELLS_MAX, TELLS_WITHIN


def newcomers(kit: Kit, count: int) -> list[Key]:
    """Objects whose first status is to be written."""
    keys = []
    for number in range(count):
        cache_id = f"e271e39e-1a6e-4d3d-8fa8-{number:012d}"
        kit.cloud.put(cache_id, name=f"new-{number}")
        keys.append(kit.make(name=f"new-{number}", uid=f"new-{number}", spec={"imageCacheID": cache_id}, status={}))
    return keys


async def test_intents_and_finalizers_do_not_wait_behind_what_is_only_told(kit: Kit) -> None:
    """While the API server takes its time for statuses, a DELETE goes out, and another object is let go."""
    kit.cloud.put(ID)
    kit.make()
    kit.make(name="other", uid="uid-other", spec={"imageCacheID": ID})
    await settle()
    hold = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    before = kit.kubernetes.calls["patch_status"]
    newcomers(kit, 10)
    await pass_time(61)
    assert kit.kubernetes.calls["patch_status"] - before == TELLERS_MAX
    kit.edit(delete)
    kit.edit(delete, retain, key=Key("team-a", "other"))
    await settle()
    assert kit.kubernetes.calls["patch_status"] - before == TELLERS_MAX + 1
    assert kit.released("retained") == 1
    hold.set()
    await settle()
    assert kit.cloud.count(DELETE) == 1


async def test_everybody_gets_a_turn(kit: Kit) -> None:
    """Nobody is forgotten, whatever becomes of those before: one of the tellers fails, other objects are gone."""
    hold = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    keys = newcomers(kit, 12)
    await pass_time(61)
    kit.kubernetes.fail("patch_status", RuntimeError("the API server stumbles"))
    gone = keys[5 : 5 + 2 * TELLERS_MAX]
    for key in gone:
        del kit.kubernetes.objects[key]
        kit.reconciler.objects.remove(key)
    hold.set()
    await pass_time(5)
    told = {key for key in keys if key in kit.kubernetes.objects and kit.reason(key) == "Available"}
    assert told == set(keys) - set(gone)


async def test_what_is_learnt_while_the_turn_is_awaited_is_told_at_once(kit: Kit) -> None:
    """A deletion whose acceptance was not told yet when the cache was gone takes two writes, not three."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    hold = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    newcomers(kit, TELLERS_MAX)
    await pass_time(61)
    del kit.kubernetes.holds["patch_status"]
    kit.edit(delete)
    await pass_time(10)
    assert kit.cloud.count(DELETE) == 1
    assert "acceptedAt" not in kit.status()["deletion"]
    before = len(kit.kubernetes.patches)
    kit.cloud.caches.pop(ID)
    await pass_time(10)
    assert KEY not in kit.kubernetes.objects
    assert len(kit.kubernetes.patches) - before == 1
    hold.set()
    await settle()


async def test_an_object_that_waits_to_tell_does_not_run_in_circles(kit: Kit) -> None:
    """A reverted deletion is told before it is asked for again, by coming back at once: not while no turn comes."""
    await kit.started_deletion()
    await pass_time(100)
    assert kit.reason() == "Deleting"
    hold = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    newcomers(kit, TELLERS_MAX)
    await pass_time(6)
    kit.cloud.put(ID, CacheStatus.AVAILABLE)
    before = kit.passes("success")
    await pass_time(10)
    assert kit.passes("success") - before < 20
    assert kit.cloud.count(DELETE) == 1
    hold.set()
    await pass_time(2)
    assert kit.cloud.count(DELETE) == 2


async def test_who_writes_the_opposite_each_time_is_not_answered_each_time(kit: Kit) -> None:
    """A second operator with other settings: few writes a second, and the right status once that one has gone."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    ours = kit.status()

    def contradict(body: dict[str, Any]) -> None:
        body["status"] = ours | {"cacheMessage": "of another account"}

    for _ in range(400):
        kit.edit(contradict)
        await pass_time(0.1)
    assert 4 * TELLS_MAX <= kit.kubernetes.calls["patch_status"] <= 5 * TELLS_MAX
    await pass_time(TELLS_WITHIN)
    assert "cacheMessage" not in kit.status()
