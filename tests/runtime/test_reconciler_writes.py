"""Writes to the cloud: slots, which DELETEs count, when one goes again, and those on their way at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.decision.builders import ELSEWHERE, HERE, ID, US, asked, ready_status
from tests.runtime.fakes import CREATE, DELETE, GET
from tests.runtime.reconciler_kit import KEY, MADE, Kit, delete, hurry, retain
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import Accepted, NotDone, Refused
from imagecache_operator.imagecache import Key
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind


async def test_retain_acts_at_once_while_a_slot_is_awaited(kit: Kit) -> None:
    """The queue may be minutes long; whoever leaves it makes room."""
    for _ in range(10):
        kit.limiter().occupy(0.0)
    await kit.started_deletion()
    assert (kit.cloud.count(DELETE), kit.limiter().waiting) == (0, 1)
    assert "write slot" in kit.status()["conditions"][0]["message"]
    kit.edit(retain)
    await settle()
    assert (kit.released("retained"), kit.limiter().waiting, kit.cloud.count(DELETE)) == (1, 0, 0)


async def test_a_granted_slot_wakes_the_object(kit: Kit) -> None:
    """The DELETE goes out when the window has room again, not at the next look."""
    for _ in range(10):
        kit.limiter().occupy(30.0)
    await kit.started_deletion()
    await pass_time(29)
    assert kit.cloud.count(DELETE) == 0
    await pass_time(1.1)
    assert kit.cloud.count(DELETE) == 1


async def test_a_free_slot_is_used_in_the_same_pass(kit: Kit) -> None:
    """No status says that somebody waits where nobody does."""
    await kit.started_deletion()
    messages = [patch["status"].get("conditions", [{}])[0].get("message", "") for patch in kit.kubernetes.patches]
    assert not any("write slot" in message for message in messages)
    assert kit.cloud.count(DELETE) == 1


async def delete_that_waits_for_its_turn(kit: Kit) -> asyncio.Event:
    """A deletion whose DELETE waits behind three other calls of the access key; set the event to let them end."""
    hold = kit.cloud.hold(GET)
    kit.cloud.put(ID)
    kit.make()
    await settle()
    [account] = kit.accounts
    for _ in range(3):
        kit.busy.append(asyncio.create_task(account.get(ID)))
    await settle()
    kit.edit(delete)
    await settle()
    assert kit.status()["deletion"]["attempts"] == 1
    assert kit.cloud.count(DELETE) == 0
    return hold


@pytest.mark.parametrize("released", [True, False], ids=["let go meanwhile", "not let go yet"])
async def test_retain_given_while_the_delete_waits_for_its_turn_stops_it(kit: Kit, released: bool) -> None:
    """It is asked for right before it goes out; a write that was never sent frees its slot."""
    turn = await delete_that_waits_for_its_turn(kit)
    if not released:
        kit.kubernetes.holds["patch_object"] = asyncio.Event()
    kit.edit(retain)
    await settle()
    assert kit.released("retained") == int(released)
    turn.set()
    await settle()
    assert kit.cloud.count(DELETE) == 0
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert free == [True] * 10


async def test_a_delete_that_waits_for_its_turn_is_not_that_of_a_successor(kit: Kit) -> None:
    """The new object has to decide for itself, after looks of its own."""
    turn = await delete_that_waits_for_its_turn(kit)
    kit.kubernetes.holds["patch_status"] = asyncio.Event()
    kit.make(uid="uid-2", deleted=EPOCH)
    turn.set()
    await settle()
    assert kit.cloud.count(DELETE) == 0


THROTTLED = Trouble(TroubleKind.THROTTLED, "429: slowly", 40.0)


REJECTED = Trouble(TroubleKind.REQUEST_REJECTED, "405: no such method")


UNCONNECTED = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "no connection")


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        pytest.param(Accepted(EPOCH, "r"), True, id="accepted"),
        pytest.param(Refused("locked", "r"), True, id="refused"),
        pytest.param(NotDone(THROTTLED, "r"), True, id="throttled, which the cloud counts, too"),
        pytest.param(NotDone(REJECTED, "r"), True, id="rejected by the gateway"),
        pytest.param(NotDone(UNCONNECTED), False, id="no connection: it never left"),
    ],
)
async def test_which_writes_count(kit: Kit, answer: Any, counts: bool) -> None:
    """All that reached the cloud, whatever it said."""
    kit.cloud.answers.append(answer)
    await kit.started_deletion()
    kit.edit(retain)
    await settle()
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    if answer == NotDone(THROTTLED, "r"):
        assert free == [False] * 10
        await pass_time(40.1)
        free = [kit.limiter().granted(Key("ns", str(number))) for number in range(10)]
    assert sum(free) == (9 if counts else 10)


async def test_a_delete_that_was_cut_off_counts(kit: Kit) -> None:
    """The cloud may have seen it and may carry it out: it takes its slot, and it is an attempt."""
    kit.cloud.troubles[DELETE] = RuntimeError("cut off")
    await kit.started_deletion()
    kit.cloud.troubles.clear()
    await pass_time(15)
    deletion = kit.status()["deletion"]
    assert (deletion["lastError"], deletion["attempts"]) == ("no usable answer: The DELETE was cut off.", 1)
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 9


@pytest.mark.parametrize(
    ("trouble", "again_after"),
    [
        pytest.param(THROTTLED, 40.0, id="throttled: as the cloud asks"),
        pytest.param(Trouble(TroubleKind.THROTTLED, "429"), 60.0, id="throttled without a time: a minute"),
        pytest.param(Trouble(TroubleKind.THROTTLED, "429", 0.0), 1.0, id="throttled with zero: not at once"),
        pytest.param(REJECTED, 1.0, id="rejected: a second at first"),
        pytest.param(UNCONNECTED, 1.0, id="no connection: a second at first"),
        pytest.param(Trouble(TroubleKind.ACCESS_DENIED, "403"), 300.0, id="denied: five minutes"),
        pytest.param(
            Trouble(TroubleKind.CREDENTIALS_INVALID, "No keys.", unsent=True), 1.0, id="no keys: a second at first"
        ),
    ],
)
async def test_a_delete_that_was_not_carried_out_goes_again_when_its_obstacle_may_be_gone(
    kit: Kit, trouble: Trouble, again_after: float
) -> None:
    """Once a look has confirmed that the cache is there, and the status tells of the obstacle meanwhile."""
    kit.cloud.answers.append(NotDone(trouble, "r"))
    await kit.started_deletion()
    [first] = kit.cloud.begun(DELETE)
    await pass_time(again_after - 0.1)
    assert kit.cloud.count(DELETE) == 1
    assert kit.reason() == (trouble.kind.value if again_after > 5 else "DeleteRequested")
    await pass_time(10)
    assert kit.cloud.begun(DELETE)[1] - first == pytest.approx(again_after, abs=6)


async def test_who_gets_the_slots_after_a_restart(kit: Kit) -> None:
    """Writes of the former process count for their location, and for no other."""
    for number in range(8):
        status = ready_status("Deleting", ready="False") | {"deletion": asked(ago=20)}
        kit.make(name=f"o{number}", uid=f"uid-{number}", deleted=EPOCH, status=status)
    kit.reconciler.objects.seed_limiters()
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 2
    await pass_time(41)
    assert all(kit.limiter().granted(Key("ns", str(number))) for number in range(10))
    assert kit.accounts.limiter(ELSEWHERE).request(KEY, (0, EPOCH))
    assert US.location == HERE


async def test_stop_waits_for_a_delete_that_is_on_its_way(kit: Kit) -> None:
    """Its answer is worth the grace; then it is cut off."""
    hold = kit.cloud.hold(DELETE)
    await kit.started_deletion()
    asyncio.get_running_loop().call_later(1.0, hold.set)
    before = kit.clock.monotonic()
    await kit.reconciler.stop(1.5)
    assert kit.clock.monotonic() - before == pytest.approx(1.0, abs=0.01)


async def test_stop_cuts_off_what_outlasts_the_grace(kit: Kit) -> None:
    """No call may hold up the end of the program."""
    kit.cloud.hold(DELETE)
    await kit.started_deletion()
    before = kit.clock.monotonic()
    await kit.reconciler.stop(1.5)
    assert kit.clock.monotonic() - before == pytest.approx(1.5, abs=0.01)


async def test_a_delete_that_waited_for_its_turn_is_not_repeated_too_soon(kit: Kit) -> None:
    """The retry time counts from when it truly went out, not from when it was written down."""
    hold = await delete_that_waits_for_its_turn(kit)
    kit.cloud.answers.append(Refused("in use"))
    await pass_time(50)
    kit.cloud.let_go(GET)
    hold.set()
    await settle()
    assert kit.cloud.count(DELETE) == 1
    await pass_time(55)
    assert kit.cloud.count(DELETE) == 1
    await pass_time(10)
    assert kit.cloud.count(DELETE) == 2


async def test_a_repaired_permission_frees_all_at_once(kit: Kit) -> None:
    """One object tries again, as a person asked; its success wakes the others, which no pause of their own holds."""
    denied = Trouble(TroubleKind.ACCESS_DENIED, "no")
    keys = [Key("team-a", f"web-{number}") for number in range(3)]
    ids = [f"c271e39e-1a6e-4d3d-8fa8-00000000000{number}" for number in range(3)]
    kit.cloud.answers.extend([NotDone(denied)] * 2)
    for key, cache_id in zip(keys, ids, strict=True):
        kit.cloud.put(cache_id, name=key.name)
        kit.make(name=key.name, uid=key.name, spec={"imageCacheID": cache_id}, status={})
    await settle()
    for key in keys:
        kit.edit(delete, key=key)
    await pass_time(10)
    assert {kit.reason(key) for key in keys} == {"AccessDenied"}
    sent = kit.cloud.count(DELETE)
    kit.edit(hurry, key=keys[0])
    await pass_time(10)
    assert kit.cloud.count(DELETE) == sent + 3


async def test_a_replacement_goes_on_when_a_post_may_be_tried_again(kit: Kit) -> None:
    """Meanwhile the old cache stays; nobody else need find out that the denial is over."""
    kit.apply({"recreateOn": ["SpecChanged"]})
    await pass_time(1)
    kit.cloud.become(MADE, CacheStatus.AVAILABLE)
    kit.cloud.create_answers.extend([NotDone(Trouble(TroubleKind.ACCESS_DENIED, "no"))] * 2)
    others = [kit.apply(name=name, uid=name) for name in ("one", "two")]
    await pass_time(10)
    for key in others:
        kit.edit(delete, key=key)
    kit.edit(lambda it: it["spec"].update(sizeGiB=40))
    await pass_time(200)
    assert (kit.reason(), kit.cloud.count(DELETE), kit.cloud.count(CREATE)) == ("AccessDenied", 0, 3)
    await pass_time(110)
    assert (kit.reason(), kit.cloud.count(DELETE)) == ("Recreating", 1)
