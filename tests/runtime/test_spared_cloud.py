"""What is not asked of the cloud: bursts, back-offs and rotated keys cost no calls that are foreseeably in vain."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.decision.builders import ELSEWHERE, HERE, ID, UNTOLD_ROTATED, US, ready_status
from tests.runtime.account_kit import FORBIDDEN, OUTAGE
from tests.runtime.fakes import CREATE, DELETE, GET, LIST, credentials
from tests.runtime.reconciler_kit import KEY, OTHER_ID, Kit, delete
from tests.runtime.virtual_time import EPOCH, LoopClock, pass_time, settle

from imagecache_operator.answers import NotDone
from imagecache_operator.imagecache import Key
from imagecache_operator.limiter import WriteLimiter
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind

THROTTLED = Trouble(TroubleKind.THROTTLED, "429", 60.0)


async def bound(kit: Kit, number: int) -> list[Key]:
    """So many objects with a cache each."""
    keys = []
    for each in range(number):
        cache_id = f"b{each:07d}-1a6e-4d3d-8fa8-2a36329c68d2"
        kit.cloud.put(cache_id, name=f"c{each}")
        status = ready_status() | {"imageCacheID": cache_id, "name": f"c{each}"}
        keys.append(kit.make(name=f"c{each}", uid=f"uid-{each}", spec={"imageCacheID": cache_id}, status=status))
    await pass_time(3)
    return keys


async def test_a_429_stops_deletes_that_wait_for_their_turn(kit: Kit) -> None:
    """What was granted before the cloud said so is held back, told, and goes out when the pause is over."""
    keys = await bound(kit, 10)
    kit.cloud.answers.extend([NotDone(THROTTLED)] * 2)
    hold = kit.cloud.hold(DELETE)
    for key in keys:
        kit.edit(delete, key=key)
    await settle()
    in_flight = kit.cloud.count(DELETE)
    assert in_flight == 2
    kit.cloud.let_go(DELETE)
    hold.set()
    await pass_time(50)
    assert kit.cloud.count(DELETE) == in_flight
    assert {kit.reason(key) for key in keys} == {"Throttled"}
    await pass_time(200)
    assert kit.cloud.count(DELETE) == in_flight + 10


async def test_a_429_stops_posts_that_wait_for_their_turn(kit: Kit) -> None:
    """As with DELETEs; their intents are closed, so nothing is looked up."""
    kit.cloud.create_answers.extend([NotDone(THROTTLED)] * 2)
    hold = kit.cloud.hold(CREATE)
    for number in range(10):
        kit.apply(name=f"n{number}", uid=f"u{number}")
    await pass_time(5)
    in_flight = kit.cloud.count(CREATE)
    kit.cloud.let_go(CREATE)
    hold.set()
    await pass_time(50)
    assert kit.cloud.count(CREATE) == in_flight
    await pass_time(200)
    assert len(kit.cloud.caches) == 10


async def test_a_confirming_get_honours_retry_after(kit: Kit) -> None:
    """LISTs go on meanwhile; they are another operation."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    del kit.cloud.caches[ID]
    kit.cloud.troubles[GET] = THROTTLED
    kit.edit(delete)
    await pass_time(59)
    assert kit.cloud.count(GET) == 1
    kit.cloud.troubles.clear()
    await pass_time(10)
    assert kit.cloud.count(GET) == 2
    assert KEY not in kit.kubernetes.objects


async def test_a_confirming_get_that_is_denied_is_not_repeated_with_each_list(kit: Kit) -> None:
    """Not even where another object has the account listed every five seconds."""
    kit.cloud.put(ID)
    kit.cloud.put(OTHER_ID, CacheStatus.DELETING, name="o")
    kit.make()
    status = ready_status() | {"imageCacheID": OTHER_ID, "name": "o"}
    other = kit.make(name="o", uid="uid-o", spec={"imageCacheID": OTHER_ID}, status=status)
    await settle()
    kit.edit(delete, key=other)
    del kit.cloud.caches[ID]
    kit.cloud.troubles[GET] = FORBIDDEN
    kit.edit(delete)
    await pass_time(300)
    assert kit.cloud.count(GET) <= 2
    assert kit.reason() == "AccessDenied"


async def test_new_objects_are_no_reason_to_list_during_a_back_off(kit: Kit) -> None:
    """The cloud wants to be left alone, however many are applied."""
    kit.cloud.troubles[LIST] = THROTTLED
    kit.apply()
    await pass_time(2)
    before = kit.cloud.count(LIST)
    for number in range(20):
        kit.apply(name=f"n{number}", uid=f"u{number}")
        await pass_time(1)
    assert kit.cloud.count(LIST) == before


async def test_an_absence_seen_by_a_rotated_key_waits_for_its_list(kit: Kit) -> None:
    """Each GET would be younger than the LIST that failed, and ask for the next one."""
    kit.cloud.put(OTHER_ID)
    kit.make(name="old", uid="uid-0", spec={"imageCacheID": OTHER_ID}, status={})
    await pass_time(10)
    hold = kit.cloud.hold(LIST)
    kit.cloud.troubles[LIST] = OUTAGE
    kit.sessions.credentials, kit.sessions.identity = credentials("AK2"), UNTOLD_ROTATED
    await pass_time(3)
    kit.make(status={}, finalizers=[FINALIZER])
    await asyncio.sleep(0.001)
    kit.cloud.let_go(LIST)
    hold.set()
    await pass_time(10)
    assert kit.cloud.count(GET) <= 2


async def test_the_limiter_of_a_former_endpoint_keeps_no_slot(clock: LoopClock) -> None:
    """Else writes there would stop for ever, also those of others."""
    kit = Kit(clock, writes_per_minute=2)
    try:
        here = kit.limiter(HERE)
        for number in range(4):
            kit.apply(name=f"w{number}", uid=f"u{number}")
            await pass_time(1)
        kit.sessions.credentials, kit.sessions.identity = credentials("AK2"), replace(US, location=ELSEWHERE)
        await pass_time(600)
        assert here.waiting == 0
        assert [here.request(Key("ns", name), (0, EPOCH)) for name in "ab"] == [True, True]
    finally:
        await kit.stop()


def test_objects_that_want_and_withdraw_leave_nothing_behind(clock: LoopClock) -> None:
    """A cloud that comes and goes for weeks must not fill the memory."""

    async def flap() -> int:
        limiter = WriteLimiter(1, clock, lambda _key: None)
        limiter.occupy(0.0)
        keys = [Key("ns", str(number)) for number in range(10)]
        for _ in range(100):
            for key in keys:
                limiter.request(key, (0, EPOCH))
            for key in keys:
                limiter.withdraw(key)
        return len(limiter._queue)

    assert asyncio.run(flap()) <= 40


@pytest.mark.parametrize("retained", [True, False])
async def test_what_is_asked_of_a_cache_is_forgotten_with_its_last_object(kit: Kit, retained: bool) -> None:
    """Also when the answer comes later than the end of the object."""
    kit.cloud.put(ID)
    kit.make()
    kit.make(name="other", uid="uid-o", spec={"imageCacheID": OTHER_ID}, status={})
    await pass_time(5)
    del kit.cloud.caches[ID]
    hold = kit.cloud.hold(GET)
    kit.edit(delete)
    await pass_time(10)
    if retained:
        kit.edit(lambda body: body["spec"].update(deletionPolicy="Retain"))
    await pass_time(1)
    hold.set()
    await pass_time(100)
    [account] = kit.accounts
    assert account.proven_at(ID) is None
    assert not account._looks.failed_gets(ID)
