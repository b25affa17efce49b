"""Objects that are deleted while their creation is on its way: nothing is forgotten, and nothing more is asked for."""

from __future__ import annotations

from tests.decision.builders import CREATED, HERE, ID
from tests.runtime.fakes import CREATE, DELETE, GET
from tests.runtime.reconciler_kit import KEY, MADE, Kit, delete, retain
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import NotCreated, Refusal
from imagecache_operator.imagecache import Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import CacheStatus


async def test_a_deletion_while_the_post_is_on_its_way(kit: Kit) -> None:
    """Its answer is awaited; the cache that came of it is deleted, then the object goes."""
    hold = kit.cloud.hold(CREATE)
    kit.apply()
    await settle()
    kit.edit(delete)
    await pass_time(10)
    assert KEY in kit.kubernetes.objects
    hold.set()
    await pass_time(10)
    assert kit.cloud.caches[MADE].status == CacheStatus.DELETING
    kit.cloud.caches.clear()
    await pass_time(10)
    assert kit.released("deleted") == 1
    assert kit.cloud.count(CREATE) == 1


async def test_a_deletion_while_the_post_waits_for_its_turn(kit: Kit) -> None:
    """It does not go out any more; nothing was created, and its slot is free again."""
    waiting = await kit.post_that_waits_for_its_turn()
    kit.edit(delete)
    kit.cloud.let_go(GET)
    waiting.set()
    await pass_time(10)
    assert kit.cloud.count(CREATE) == 0
    assert kit.released("never_created") == 1
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 10


async def test_retain_lets_go_while_the_post_is_on_its_way(kit: Kit) -> None:
    """A person's word does not wait; the answer, even that the tenant is full, harms nobody."""
    hold = kit.cloud.hold(CREATE)
    kit.cloud.create_answers.append(NotCreated(Refusal.QUOTA, "full"))
    kit.apply()
    kit.make(name="other", uid="uid-other", spec={"name": "other"}, status={})
    await settle()
    kit.edit(delete, retain)
    await settle()
    assert kit.released("retained") == 1
    hold.set()
    await settle()
    assert len(kit.reconciler.queue) == 0
    assert KEY not in kit.reconciler.objects.tracked
    assert kit.accounts.quota(HERE).room_for(KEY, (EPOCH, "u")).limit == 0


async def test_creations_come_after_deletions(kit: Kit) -> None:
    """In a crowd, the next slot is for the deletion, though the creation has waited longer."""
    for _ in range(9):
        kit.limiter().occupy(30.0)
    kit.limiter().occupy(20.0)
    kit.apply(created=CREATED, finalizers=[FINALIZER])
    await settle()
    assert "write slot" in kit.status()["conditions"][0]["message"]
    kit.cloud.put(ID, name="old")
    kit.make(name="old", uid="uid-old", spec={"imageCacheID": ID}, status={})
    await settle()
    kit.edit(delete, key=Key("team-a", "old"))
    for _ in range(8):
        kit.limiter().occupy(0.0)
    await pass_time(31)
    assert [call.operation for call in kit.cloud.calls if call.operation in {CREATE, DELETE}] == [DELETE]
    await pass_time(35)
    assert kit.cloud.count(CREATE) == 1
