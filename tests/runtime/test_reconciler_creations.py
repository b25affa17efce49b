"""From a manifest to a cache: the intent before the POST, the POST once, its answer after it, whatever is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.runtime.fakes import CREATE, DELETE, GET, LIST, unreachable
from tests.runtime.reconciler_kit import KEY, MADE, Kit, delete, hurry
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.answers import Created, Lost, NotCreated, NotDone, Refusal
from imagecache_operator.cloud.client import TokenEnded
from imagecache_operator.imagecache import Key
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind

OUTAGE = Trouble(TroubleKind.CLOUD_UNAVAILABLE, "no connection")


def resize(changed: dict[str, Any]) -> None:
    """Another cache is wanted."""
    changed["spec"]["sizeGiB"] = 40


async def test_from_apply_to_ready(kit: Kit) -> None:
    """Finalizer, intent, one POST with what was asked for, the id, Creating, Available: in at most six writes."""
    kit.apply({"sizeGiB": 30, "retentionDays": 7})
    await settle()
    assert kit.kubernetes.objects[KEY]["metadata"]["finalizers"] == [FINALIZER]
    assert kit.status()["imageCacheID"] == MADE
    assert kit.status()["creation"]["answer"] == "Accepted"
    await pass_time(6)
    assert (kit.reason(), kit.status()["cacheStatus"]) == ("Creating", "Creating")
    kit.cloud.become(MADE, CacheStatus.AVAILABLE)
    await pass_time(6)
    assert kit.reason() == "Available"
    assert len(kit.kubernetes.patches) <= 6
    assert [body["image_cache_size"] for body in kit.cloud.bodies] == [30]
    assert kit.cloud.bodies[0]["building_config"] == {"cluster": "cluster-1"}
    assert not kit.moving()
    patches = len(kit.kubernetes.patches)
    await pass_time(600)
    assert (len(kit.kubernetes.patches), kit.cloud.count(CREATE)) == (patches, 1)


async def test_the_post_goes_out_at_once(kit: Kit) -> None:
    """An idle operator that has looked long ago does not wait for its interval."""
    kit.make(name="other", uid="uid-other", spec={"name": "other"}, status={})
    await pass_time(2)
    before = kit.clock.monotonic()
    kit.apply()
    await settle()
    assert kit.cloud.begun(CREATE) == [pytest.approx(before, abs=0.01)]


async def test_the_intent_is_written_before_the_post_goes_out(kit: Kit) -> None:
    """Without it a kill would forget that anything was asked for."""
    kit.apply(finalizers=[FINALIZER])
    hold = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    await pass_time(5)
    assert kit.cloud.count(CREATE) == 0
    hold.set()
    await settle()
    assert kit.cloud.count(CREATE) == 1
    assert kit.status()["creation"]["specHash"]


async def test_no_post_without_the_intent(kit: Kit) -> None:
    """When the status cannot be written, nothing is sent, and the slot is not kept from others."""
    kit.kubernetes.fail("patch_status", *(unreachable() for _ in range(100)))
    kit.apply()
    await pass_time(5)
    assert kit.cloud.count(CREATE) == 0
    assert not kit.limiter().granted(KEY)
    kit.kubernetes.failures.clear()
    await pass_time(60)
    assert kit.cloud.count(CREATE) == 1


async def test_a_kill_between_intent_and_post(kit: Kit) -> None:
    """The next process looks the name up for two minutes before it believes that nothing came of it."""
    await kit.post_that_waits_for_its_turn()
    kit.cloud.let_go(GET)
    killed = kit.clock.monotonic()
    await kit.restart(after=5.0)
    assert "answer" not in kit.status()["creation"]
    await pass_time(110)
    assert kit.cloud.count(CREATE) == 0
    assert kit.reason() == "CreateRequested"
    await pass_time(20)
    assert kit.cloud.begun(CREATE) == [pytest.approx(killed + 120, abs=6)]
    assert kit.status()["imageCacheID"] in kit.cloud.caches


async def test_a_kill_while_the_post_is_on_its_way(kit: Kit) -> None:
    """The cache that came of it is found by its name and taken; no second one is asked for."""
    hold = kit.cloud.hold(CREATE)
    kit.apply()
    await pass_time(1)
    assert "imageCacheID" not in kit.status()
    await kit.restart(after=3.0)
    await pass_time(6)
    assert kit.status()["imageCacheID"] == MADE
    assert kit.status()["creation"]["answer"] == "Accepted"
    hold.set()
    await pass_time(600)
    assert kit.cloud.count(CREATE) == 1


@pytest.mark.parametrize("answer", [Lost("cut off"), Created(None)], ids=["lost", "a success without an id"])
@pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
async def test_an_answer_that_tells_no_id(kit: Kit, answer: Lost | Created, made: bool) -> None:
    """The name tells what came of it: the cache, or after two minutes nothing, and then it is asked for again."""
    kit.cloud.create_answers.append(answer)
    hold = kit.cloud.hold(CREATE)
    kit.apply()
    await settle()
    if made and not kit.cloud.caches:
        kit.cloud.build(kit.cloud.bodies[0])
    if not made:
        kit.cloud.caches.clear()
    kit.cloud.let_go(CREATE)
    hold.set()
    await pass_time(7)
    assert kit.cloud.count(CREATE) == 1
    assert kit.reason() == ("Creating" if made else "CreateRequested")
    await pass_time(130)
    assert kit.cloud.count(CREATE) == (1 if made else 2)
    assert len(kit.cloud.caches) == 1
    assert kit.status()["imageCacheID"] in kit.cloud.caches


async def test_a_list_from_soon_after_the_post_proves_no_absence(kit: Kit) -> None:
    """It was stale, and none came since; what counts is one that begins when two minutes are over."""
    kit.cloud.create_answers.append(Lost("cut off"))
    kit.apply()
    await pass_time(3)
    hold = kit.cloud.hold(LIST)
    await pass_time(50)
    made = kit.cloud.build(kit.cloud.bodies[0])
    await pass_time(75)
    assert (kit.cloud.count(CREATE), kit.status()["creation"]["answer"]) == (1, "Lost")
    kit.cloud.let_go(LIST)
    hold.set()
    await pass_time(10)
    assert (kit.cloud.count(CREATE), kit.status()["imageCacheID"]) == (1, made)


async def test_a_cache_that_was_there_before_is_not_taken_for_ours(kit: Kit) -> None:
    """Other fields: it is somebody else's, who was faster; it is told, and never touched."""
    kit.cloud.create_answers.append(Lost("cut off"))
    hold = kit.cloud.hold(CREATE)
    kit.apply()
    await settle()
    kit.cloud.build({**kit.cloud.bodies[0], "image_cache_size": 99})
    kit.cloud.let_go(CREATE)
    hold.set()
    await pass_time(200)
    assert kit.reason() == "Conflict"
    assert "imageCacheID" not in kit.status()
    kit.edit(delete)
    await pass_time(10)
    assert kit.released("never_created") == 1
    assert len(kit.cloud.caches) == 1


# --- answers that are none


async def test_no_connection_costs_seconds(kit: Kit) -> None:
    """Nothing was made, so nothing need be waited for but the cloud."""
    kit.cloud.create_answers.append(NotDone(OUTAGE))
    kit.apply()
    await settle()
    assert kit.cloud.count(CREATE) == 1
    await pass_time(10)
    assert kit.cloud.count(CREATE) == 2
    assert kit.status()["imageCacheID"] in kit.cloud.caches


async def test_a_token_that_has_ended_takes_two_slots(kit: Kit) -> None:
    """The cloud saw two writes."""
    kit.cloud.create_answers.append(TokenEnded(OUTAGE))
    kit.apply()
    await pass_time(10)
    assert kit.cloud.count(CREATE) == 2
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 8


async def test_a_refusal_pauses_longer_each_time(kit: Kit) -> None:
    """The cloud says what is wrong, and is not asked in a circle; a spec that changes is tried at once."""
    refused = NotCreated(Refusal.OTHER, "400: no such cluster")
    kit.cloud.create_answers.extend([refused] * 4)
    kit.apply()
    await pass_time(5)
    assert kit.reason() == "RequestRejected"
    assert "no such cluster" in kit.status()["conditions"][0]["message"]
    await pass_time(100)
    begun = kit.cloud.begun(CREATE)
    assert [round(later - begun[0]) for later in begun] == [
        0,
        pytest.approx(10, abs=1),
        pytest.approx(30, abs=2),
        pytest.approx(70, abs=3),
    ]
    kit.edit(resize)
    await settle()
    assert kit.cloud.count(CREATE) == 5
    assert kit.status()["imageCacheID"] in kit.cloud.caches


async def test_a_spec_that_changes_begins_with_a_short_pause(kit: Kit) -> None:
    """What the cloud refused of the former one says nothing of this one."""
    kit.cloud.create_answers.extend([NotCreated(Refusal.OTHER, "400: no")] * 6)
    kit.apply()
    await pass_time(80)
    assert kit.cloud.count(CREATE) == 4
    kit.edit(resize)
    await pass_time(5)
    assert kit.cloud.count(CREATE) == 5
    await pass_time(10)
    assert kit.cloud.count(CREATE) == 6


async def test_a_person_who_asks_ends_the_pause(kit: Kit) -> None:
    """What was wrong may have been put right in the cloud."""
    kit.cloud.create_answers.extend([NotCreated(Refusal.OTHER, "400: no")] * 3)
    kit.apply()
    await pass_time(40)
    assert kit.cloud.count(CREATE) == 3
    kit.edit(hurry)
    await pass_time(2)
    assert kit.cloud.count(CREATE) == 4


async def test_a_name_that_was_taken_meanwhile(kit: Kit) -> None:
    """The list did not have it, the cloud refuses it, the next list has it: a conflict, which nothing is asked of."""
    kit.cloud.create_answers.append(NotCreated(Refusal.NAME_TAKEN, "409: exists"))
    hold = kit.cloud.hold(CREATE)
    kit.apply()
    await settle()
    kit.cloud.put(MADE)
    kit.cloud.let_go(CREATE)
    hold.set()
    await pass_time(100)
    assert (kit.reason(), kit.cloud.count(CREATE)) == ("Conflict", 1)
    assert kit.status()["creation"]["answer"] == "Refused"


async def test_a_fault_of_ours_in_the_middle_of_a_post_counts_as_lost(kit: Kit) -> None:
    """It had gone out; whether it arrived, only looking tells."""
    kit.cloud.troubles[CREATE] = RuntimeError("a fault of ours")
    kit.apply()
    await settle()
    kit.cloud.troubles.clear()
    assert kit.status()["creation"]["answer"] == "Lost"
    await pass_time(6)
    assert kit.status()["imageCacheID"] == MADE
    assert kit.cloud.count(CREATE) == 1
    free = [kit.limiter().request(Key("ns", str(number)), (0, EPOCH)) for number in range(10)]
    assert sum(free) == 9


async def test_posts_that_come_to_nothing_pause_longer_each_time(kit: Kit) -> None:
    """Each takes 120 s to be certain, and then waits, so that a cloud that loses them all is not burdened."""
    kit.cloud.create_answers.extend([Lost("504: no answer")] * 4)
    kit.apply()
    await pass_time(700)
    begun = kit.cloud.begun(CREATE)
    assert [round(later - begun[0]) for later in begun] == [
        0,
        pytest.approx(130, abs=2),
        pytest.approx(270, abs=4),
        pytest.approx(430, abs=6),
        pytest.approx(630, abs=8),
    ]
    assert kit.status()["imageCacheID"] in kit.cloud.caches


async def test_between_two_posts_that_come_to_nothing_it_is_told_so(kit: Kit) -> None:
    """CloudUnavailable, with the cloud's own words."""
    kit.cloud.create_answers.append(Lost("504: no answer"))
    kit.apply()
    await pass_time(125)
    assert kit.reason() == "CloudUnavailable"
    assert "came to nothing (504: no answer)" in kit.status()["conditions"][0]["message"]


async def test_a_post_that_was_lost_does_not_hold_up_the_deletion(kit: Kit) -> None:
    """The pause is for the next POST alone."""
    kit.cloud.troubles[CREATE] = RuntimeError("cut off")
    kit.apply()
    await settle()
    kit.cloud.troubles.clear()
    await pass_time(8)
    assert kit.status()["imageCacheID"] == MADE
    kit.edit(delete)
    await pass_time(3)
    assert kit.cloud.count(DELETE) == 1


async def test_a_name_that_is_taken_and_not_listed(kit: Kit) -> None:
    """As a rule that of a cache just deleted: nobody is bothered at first, and then it is a conflict."""
    kit.cloud.create_answers.extend([NotCreated(Refusal.NAME_TAKEN, "409: exists")] * 7)
    kit.apply()
    await pass_time(100)
    assert kit.reason() == "CreateRequested"
    assert [condition["type"] for condition in kit.status()["conditions"]] == ["Ready", "Reconciling"]
    assert "lists no such cache (409: exists)" in kit.status()["conditions"][0]["message"]
    await pass_time(300)
    assert kit.reason() == "Conflict"
    assert [condition["type"] for condition in kit.status()["conditions"]] == ["Ready", "Stalled"]
    await pass_time(2000)
    assert kit.reason() == "Creating"
