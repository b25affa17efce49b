"""A full tenant: who asks for room, when, and what is told of it."""

from __future__ import annotations

from tests.decision.builders import ID
from tests.runtime.fakes import CREATE, FULL, unreachable
from tests.runtime.reconciler_kit import Kit, born, delete, hurry, message, touch
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import Lost, NotCreated, Refusal
from imagecache_operator.imagecache import Key

YOUNGER = Key("team-a", "younger")


def waiting(kit: Kit, count: int) -> list[Key]:
    """Objects that are applied one after the other, the oldest first."""
    return [kit.apply(name=f"o{number}", **born(number)) for number in range(1, count + 1)]


def reasons(kit: Kit, keys: list[Key]) -> list[str]:
    """What each of them shows."""
    return [kit.reason(key) for key in keys]


async def test_a_full_tenant_is_asked_again_when_the_list_shows_room(kit: Kit) -> None:
    """It says how full; no POST is wasted; the oldest goes first."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.put("b", name="foreign-2")
    kit.cloud.create_answers.append(FULL)
    kit.apply(name="younger", **born(2))
    await pass_time(10)
    assert kit.reason(YOUNGER) == "QuotaExceeded"
    assert "2 caches" in message(kit, YOUNGER)
    kit.apply(**born(1))
    await pass_time(600)
    assert (kit.reason(), kit.cloud.count(CREATE)) == ("QuotaExceeded", 1)
    assert not kit.moving()
    del kit.cloud.caches["b"]
    await pass_time(70)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("Creating", "QuotaExceeded")
    assert kit.cloud.count(CREATE) == 2
    del kit.cloud.caches[ID]
    await pass_time(70)
    assert kit.reason(YOUNGER) == "Creating"
    assert kit.cloud.count(CREATE) == 3


async def test_a_limit_that_was_raised_is_found_out(kit: Kit) -> None:
    """After an hour by itself, or at once when a person asks."""
    kit.cloud.create_answers.extend([FULL, FULL])
    kit.apply()
    await pass_time(3500)
    assert (kit.reason(), kit.cloud.count(CREATE)) == ("QuotaExceeded", 1)
    await pass_time(200)
    assert kit.cloud.count(CREATE) == 2
    await pass_time(10)
    assert kit.reason() == "QuotaExceeded"
    kit.edit(hurry)
    await pass_time(10)
    assert (kit.reason(), kit.cloud.count(CREATE)) == ("Creating", 3)


async def test_an_object_that_waits_for_room_goes_at_once(kit: Kit) -> None:
    """Nothing was created for it; and it stands in nobody's way any more."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.create_answers.append(FULL)
    kit.apply(**born(1))
    kit.apply(name="younger", **born(2))
    await pass_time(20)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("QuotaExceeded", "QuotaExceeded")
    kit.edit(delete)
    await pass_time(6)
    assert kit.released("never_created") == 1
    kit.cloud.caches.clear()
    await pass_time(70)
    assert kit.reason(YOUNGER) == "Creating"


# --- no POST is wasted


async def test_of_many_that_are_on_their_way_few_are_refused(kit: Kit) -> None:
    """The first refusal holds back those that wait for their turn under the access key; their slots are free again."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    hold = kit.cloud.hold(CREATE)
    keys = waiting(kit, 8)
    await settle()
    assert kit.cloud.count(CREATE) == 2
    hold.set()
    await pass_time(100)
    assert kit.cloud.count(CREATE) == 2
    assert reasons(kit, keys) == ["QuotaExceeded"] * 8
    kit.cloud.quota = None
    kit.cloud.caches.clear()
    await pass_time(70)
    assert kit.reason(keys[0]) == "Creating"


async def test_a_post_that_was_held_back_takes_no_slot(kit: Kit) -> None:
    """Deletions do not queue behind it."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    waiting(kit, 8)
    await pass_time(2)
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 10 - kit.cloud.count(CREATE)


async def test_a_post_that_was_held_back_has_no_pause(kit: Kit) -> None:
    """It did not fail: room that comes at once is taken at once."""
    for number in range(3):
        kit.cloud.put(f"id-{number}", name=f"foreign-{number}")
    kit.cloud.quota = 3
    keys = waiting(kit, 4)
    await settle()
    kit.cloud.caches.clear()
    [account] = kit.accounts
    account.poke()
    await pass_time(0.1)
    assert reasons(kit, keys) == ["Creating"] * 3 + ["QuotaExceeded"]


async def test_a_post_whose_answer_is_lost_takes_the_room_it_may_have_filled(kit: Kit) -> None:
    """Until a list shows that it did not: who looks meanwhile does not ask for what may be gone."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.create_answers.append(FULL)
    keys = waiting(kit, 2)
    await pass_time(10)
    assert reasons(kit, keys) == ["QuotaExceeded"] * 2
    kit.cloud.caches.clear()
    kit.cloud.create_answers.append(Lost("the connection was cut"))
    [account] = kit.accounts
    account.poke()
    await settle()
    kit.edit(touch, key=keys[1])
    await settle()
    assert kit.cloud.count(CREATE) == 2
    await pass_time(70)
    assert (kit.cloud.count(CREATE), kit.reason(keys[1])) == (3, "Creating")


async def test_after_a_restart_the_oldest_asks_for_all(kit: Kit) -> None:
    """What the former process was refused, its objects tell; and all tell the same again afterwards."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    keys = waiting(kit, 6)
    await pass_time(100)
    sent = kit.cloud.count(CREATE)
    await kit.restart()
    hold = kit.cloud.hold(CREATE)
    await pass_time(2)
    hold.set()
    await pass_time(300)
    assert [call.cache_id for call in kit.cloud.calls if call.operation is CREATE][sent:] == ["o1"]
    told = "The tenant is full: it has 1 cache, and the cloud took no more than 1 (403: the quota is used up)."
    assert all(message(kit, key).startswith(told) for key in keys)


async def test_after_a_restart_into_room_all_are_served(kit: Kit) -> None:
    """As fast as writes may go, the oldest first, though nobody is refused any more."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    keys = waiting(kit, 6)
    await pass_time(100)
    kit.cloud.quota = None
    sent = kit.cloud.count(CREATE)
    await kit.restart()
    await pass_time(2)
    assert reasons(kit, keys) == ["Creating"] * 6
    assert [call.cache_id for call in kit.cloud.calls if call.operation is CREATE][sent:] == [key.name for key in keys]


async def test_what_room_a_person_tells_of_goes_to_the_oldest(kit: Kit) -> None:
    """Whichever object is annotated; one POST more finds out where the new limit is. None waits for an interval."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    keys = waiting(kit, 8)
    await pass_time(100)
    kit.cloud.quota = 3
    sent = kit.cloud.count(CREATE)
    hold = kit.cloud.hold(CREATE)
    kit.edit(hurry, key=keys[-1])
    await pass_time(3)
    assert kit.cloud.count(CREATE) - sent == 1
    hold.set()
    await pass_time(2)
    assert kit.cloud.count(CREATE) - sent == 3
    await pass_time(100)
    assert reasons(kit, keys) == ["Creating"] * 2 + ["QuotaExceeded"] * 6
    assert [call.cache_id for call in kit.cloud.calls if call.operation is CREATE][sent:] == ["o1", "o2", "o3"]
    told = "The tenant is full: it has 3 caches, and the cloud took no more than 3 "
    assert all(message(kit, key).startswith(told) for key in keys[2:])


async def test_a_limit_that_was_raised_by_much_is_used_at_once(kit: Kit) -> None:
    """Thirty that wait are created as fast as writes may go, ten in a minute, and none of them twice."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    keys = waiting(kit, 30)
    await pass_time(100)
    kit.cloud.quota = 100
    sent = kit.cloud.count(CREATE)
    kit.edit(hurry, key=keys[-1])
    await pass_time(125)
    assert reasons(kit, keys) == ["Creating"] * 30
    assert kit.cloud.count(CREATE) - sent == 30


async def test_who_backs_off_keeps_no_room_from_others(kit: Kit) -> None:
    """The oldest object's intent cannot be written: the next one has the room."""
    kit.cloud.put(ID, name="foreign")
    kit.cloud.quota = 1
    keys = waiting(kit, 2)
    await pass_time(100)
    kit.kubernetes.fail(f"patch_status {keys[0]}", *[unreachable()] * 10)
    del kit.cloud.caches[ID]
    await pass_time(130)
    assert reasons(kit, keys) == ["QuotaExceeded", "Creating"]


# --- what is told


async def test_what_is_told_follows_the_list(kit: Kit) -> None:
    """Two go, and the two oldest that wait take their room: the others never tell numbers that are not true."""
    for cache_id in (ID, "b", "c"):
        kit.cloud.put(cache_id, name=f"foreign-{cache_id}")
    kit.cloud.quota = 3
    keys = waiting(kit, 5)
    await pass_time(100)
    del kit.cloud.caches["b"], kit.cloud.caches["c"]
    for _ in range(10):
        kit.limiter().occupy(30.0)
    [account] = kit.accounts
    account.poke()
    await pass_time(1)
    assert {message(kit, key) for key in keys[2:]} == {
        "The tenant was full, and may have room again: older objects that wait for it go first."
    }
    await pass_time(61)
    assert reasons(kit, keys) == ["Creating"] * 2 + ["QuotaExceeded"] * 3
    assert all(message(kit, key).startswith("The tenant is full: it has 3 caches, ") for key in keys[2:])


async def test_a_quota_of_something_else_concerns_one_object(kit: Kit) -> None:
    """It tells the cloud's words and is tried again with pauses; others are created meanwhile."""
    words = "400 CCE.01400010: Insufficient EVS volume quota in cluster c"
    kit.cloud.create_answers.append(NotCreated(Refusal.OTHER_QUOTA, words))
    kit.apply(**born(1))
    await pass_time(5)
    kit.apply(name="younger", **born(2))
    await pass_time(3)
    assert (kit.reason(), kit.reason(YOUNGER)) == ("RequestRejected", "Creating")
    assert words in message(kit, Key("team-a", "web"))
    await pass_time(10)
    assert kit.reason() == "Creating"
