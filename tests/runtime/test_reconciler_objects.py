"""Objects that are odd, replaced, wanted by a person, or gone: each is a story of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.decision.builders import CREATED, ID, rfc
from tests.runtime.fakes import DELETE, GET, LIST
from tests.runtime.reconciler_kit import KEY, OTHER_ID, Kit, delete, retain, touch
from tests.runtime.virtual_time import EPOCH, pass_time, settle

from imagecache_operator.account import Account
from imagecache_operator.answers import NotDone
from imagecache_operator.imagecache import Key
from imagecache_operator.names import FINALIZER, RECONCILE_ANNOTATION
from imagecache_operator.observation import CacheStatus, Trouble, TroubleKind

RETAIN = {"deletionPolicy": "Retain"}
BORN: dict[str, Any] = {"finalizers": [], "status": {}}
"""An object that the operator has not touched yet."""


def unreadable(change: str) -> dict[str, Any]:
    """An object that no version of the schema accepts."""
    made: dict[str, Any] = {"metadata": {"namespace": "team-a", "name": "odd", "uid": "u", "resourceVersion": "1"}}
    match change:
        case "a number as id":
            return made | {
                "metadata": made["metadata"] | {"creationTimestamp": "2026-03-01T00:00:00Z"},
                "spec": {"imageCacheID": 7},
            }
        case "no creationTimestamp":
            return made | {"spec": {"imageCacheID": ID}}
        case _:
            return {"metadata": {}}


@pytest.mark.parametrize("change", ["a number as id", "no creationTimestamp", "nothing at all"])
async def test_an_object_that_cannot_be_read_is_left_alone_and_others_go_on(
    kit: Kit, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    """The log names it; nothing is written to it."""
    kit.cloud.put(ID)
    kit.reconciler.objects.upsert(unreadable(change))
    kit.reconciler.objects.vanished(unreadable(change))
    kit.make(status={})
    await settle()
    assert kit.reason() == "Available"
    assert len(kit.reconciler.store) == 1
    assert sum("cannot be read and is left alone" in message for message in caplog.messages) == 1


async def test_an_object_that_becomes_unreadable_keeps_its_last_good_version(kit: Kit) -> None:
    """It is not taken for gone, and nothing is let go."""
    kit.cloud.put(ID)
    kit.make(status={})
    await settle()

    def spoil(changed: dict[str, Any]) -> None:
        changed["spec"]["imageCacheID"] = 7

    kit.edit(delete, spoil)
    await pass_time(60)
    assert kit.reconciler.store.get(KEY) is not None
    assert FINALIZER in kit.kubernetes.objects[KEY]["metadata"]["finalizers"]
    assert kit.cloud.count(DELETE) == 0


async def test_an_object_replaced_under_the_same_name_starts_afresh(kit: Kit) -> None:
    """What is remembered of the former one (its deletion, its answer, its slot) says nothing of the new one."""
    hold = kit.cloud.hold(DELETE)
    await kit.started_deletion()
    assert kit.cloud.count(DELETE) == 1
    kit.make(uid="uid-2", status={})
    await settle()
    hold.set()
    await pass_time(10)
    resource = kit.reconciler.store.get(KEY)
    assert resource is not None
    assert (resource.uid, resource.deleting) == ("uid-2", False)
    assert "deletion" not in kit.status()
    assert kit.reason() == "Deleting"
    await pass_time(600)
    assert (kit.cloud.count(DELETE), kit.kubernetes.calls["get_crd"]) == (1, 1)
    kit.cloud.put(ID)
    kit.edit(delete)
    await pass_time(61)
    assert (kit.cloud.count(DELETE), kit.kubernetes.calls["get_crd"]) == (2, 2)


async def test_the_end_of_a_former_object_does_not_touch_its_successor(kit: Kit) -> None:
    """Events of the watch may come late."""
    kit.cloud.put(ID)
    former = kit.kubernetes.objects[kit.make(**BORN)]
    kit.make(uid="uid-2")
    await settle()
    kit.reconciler.objects.vanished(former)
    kit.reconciler.objects.remove(KEY, "uid-1")
    await pass_time(60)
    resource = kit.reconciler.store.get(KEY)
    assert resource is not None
    assert resource.uid == "uid-2"
    assert kit.cloud.count(DELETE) == 0


async def test_older_versions_change_nothing(kit: Kit) -> None:
    """A list may be older than the watch."""
    kit.cloud.put(ID)
    kit.make()
    older = kit.kubernetes.objects[KEY]
    await settle()
    kit.edit(delete)
    kit.reconciler.objects.upsert(older)
    await settle()
    assert kit.cloud.count(DELETE) == 1


async def test_an_object_gone_before_the_finalizer_takes_its_cache_along(kit: Kit) -> None:
    """Its ghost goes through the same table, in memory: CRD read, DELETE, proven gone; nothing is patched."""
    kit.cloud.put(ID)
    hold = kit.kubernetes.holds["patch_object"] = asyncio.Event()
    kit.make(**BORN)
    gone = kit.kubernetes.objects.pop(KEY)
    kit.reconciler.objects.vanished(gone)
    hold.set()
    await pass_time(10)
    assert kit.cloud.count(DELETE) == 1
    assert kit.kubernetes.calls["get_crd"] == 1
    assert kit.reconciler.objects.real_objects() == {}
    kit.cloud.caches.clear()
    await pass_time(20)
    assert (kit.released("deleted"), len(kit.reconciler.store), list(kit.accounts)) == (1, 0, [])
    assert kit.kubernetes.calls["patch_status"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"finalizers": [FINALIZER], "deleted": CREATED}, id="our finalizer was on it"),
        pytest.param({"spec": {"name": "web"}}, id="bound by name"),
        pytest.param({"spec": {"imageCacheID": ID, "deletionPolicy": "Retain"}}, id="Retain"),
        pytest.param({"spec": {"imageCacheID": ID, "managementPolicy": "Observe"}}, id="Observe"),
    ],
)
async def test_no_delete_from_memory_for_any_other_object(kit: Kit, changes: dict[str, Any]) -> None:
    """What is only remembered may be wrong by now."""
    kit.cloud.put(ID)
    kit.make(**(BORN | changes))
    gone = kit.kubernetes.objects.pop(KEY)
    kit.reconciler.objects.vanished(gone)
    await pass_time(120)
    assert kit.cloud.count(DELETE) == 0
    assert (len(kit.reconciler.store), kit.released("retained")) == (0, 0)


async def test_a_release_that_the_watch_tells_first_is_measured(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The object's end may come before the answer to the patch; the lag after the proof is counted all the same."""
    await kit.started_deletion()
    patch = kit.kubernetes.patch_object

    async def told_first(key: Key, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        await asyncio.sleep(0.25)
        kept = await patch(key, operations)
        kit.reconciler.objects.vanished(kept)
        return kept

    monkeypatch.setattr(kit.kubernetes, "patch_object", told_first)
    await pass_time(6)
    kit.cloud.caches.clear()
    await pass_time(12)
    assert kit.released("deleted") == 1
    value = kit.metrics.registry.get_sample_value
    assert value("imagecache_operator_release_lag_seconds_count") == 1
    assert value("imagecache_operator_release_lag_seconds_sum") == pytest.approx(0.25, abs=0.01)


async def test_an_object_that_was_held_and_vanished_is_told(kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody took our finalizer away: the log says that the cache stays, and its id."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    kit.reconciler.objects.vanished(kit.kubernetes.objects.pop(KEY))
    await pass_time(60)
    [record] = [record for record in caplog.records if "its cache is left alone" in record.message]
    assert (record.levelname, vars(record)["cache_id"]) == ("WARNING", ID)
    assert kit.cloud.count(DELETE) == 0


async def test_what_was_looked_up_for_an_object_goes_with_it(kit: Kit) -> None:
    """The account remembers nothing of caches that no object stands for; another object keeps it."""
    kit.make()
    kit.make(name="second", uid="uid-2", spec={"imageCacheID": ID, "managementPolicy": "Observe"})
    kit.make(name="other", uid="uid-3", spec={"imageCacheID": OTHER_ID}, status={})
    await pass_time(10)
    [account] = kit.accounts
    assert account.proven_at(ID) is not None
    kit.reconciler.objects.remove(KEY)
    assert account.proven_at(ID) is not None
    kit.reconciler.objects.remove(Key("team-a", "second"))
    assert account.proven_at(ID) is None
    assert account.proven_at(OTHER_ID) is not None


async def test_a_person_who_asks_is_answered_by_a_fresh_look(kit: Kit) -> None:
    """The annotation is echoed only when a look has ended that began after it was seen, and then the next waits."""
    kit.cloud.put(ID)
    kit.make()
    await pass_time(20)
    lists = kit.cloud.count(LIST)
    hold = kit.cloud.hold(LIST)

    def ask(changed: dict[str, Any]) -> None:
        changed["metadata"]["annotations"] = {RECONCILE_ANNOTATION: "now"}

    kit.edit(ask)
    await pass_time(3)
    assert kit.cloud.count(LIST) == lists + 1
    assert "lastHandledReconcileAt" not in kit.status()
    kit.cloud.put(ID, CacheStatus.FAILED)
    kit.cloud.let_go(LIST)
    hold.set()
    await settle()
    assert kit.status()["lastHandledReconcileAt"] == "now"
    await pass_time(20)
    assert kit.cloud.count(LIST) == lists + 1


async def test_a_person_who_asks_ends_the_pause_of_a_delete(kit: Kit) -> None:
    """The permission may have been given just now."""
    kit.cloud.answers.append(NotDone(Trouble(TroubleKind.ACCESS_DENIED, "403"), "r"))
    await kit.started_deletion()
    await pass_time(20)
    assert (kit.cloud.count(DELETE), kit.reason()) == (1, "AccessDenied")

    def ask(changed: dict[str, Any]) -> None:
        changed["metadata"]["annotations"] = {RECONCILE_ANNOTATION: "now"}

    kit.edit(ask)
    await pass_time(1)
    assert kit.cloud.count(DELETE) == 2


async def test_an_absence_is_confirmed_by_one_get_for_each_look(kit: Kit) -> None:
    """A GET that is on its way is not sent again by other wake-ups."""
    kit.cloud.hold(GET)
    kit.make()
    await settle()
    for _ in range(5):
        kit.edit(touch)
        await settle()
    assert kit.cloud.count(GET) == 1


async def test_the_second_object_of_a_cache_waits_for_the_first(kit: Kit) -> None:
    """The older holds it; when it goes with Retain, the other is looked at again without any event of its own."""
    kit.cloud.put(ID)
    kit.make()
    younger = kit.make(name="younger", uid="uid-2", status={}, created=CREATED.replace(hour=13))
    await settle()
    assert kit.reason(younger) == "Conflict"
    kit.edit(retain, delete)
    await settle()
    assert kit.released("retained") == 1
    assert kit.reason(younger) == "Available"


async def test_looks_wake_only_the_objects_that_they_concern(kit: Kit) -> None:
    """A thousand objects that nothing happened to cost no pass."""
    for number in range(20):
        cache_id = f"{number:08d}{ID[8:]}"
        kit.cloud.put(cache_id, name=f"c{number}")
        kit.make(name=f"o{number}", uid=f"u{number}", spec={"imageCacheID": cache_id}, status={})
    await pass_time(10)
    before = kit.passes("success")
    await pass_time(600)
    assert kit.passes("success") == before
    kit.cloud.put(f"{7:08d}{ID[8:]}", CacheStatus.FAILED, name="c7")
    await pass_time(60)
    assert kit.reason(Key("team-a", "o7")) == "Failed"
    assert kit.passes("success") - before <= 3
    assert all(isinstance(account, Account) for account in kit.accounts)


async def test_everything_is_looked_at_again_when_settings_of_all_changed(kit: Kit) -> None:
    """Credentials may name another project since."""
    for number in range(3):
        kit.make(name=f"o{number}", uid=f"u{number}")
    await pass_time(10)
    before = kit.passes("success")
    kit.reconciler.objects.look_at_all()
    await settle()
    assert kit.passes("success") == before + 3


async def test_the_end_of_a_holder_wakes_who_is_bound_by_name(kit: Kit) -> None:
    """Conflict ends by itself: NotFound, once the holder took the cache along."""
    kit.cloud.put(ID, name="shared")
    kit.make()
    await settle()
    younger = kit.make(name="younger", uid="uid-2", spec={"name": "shared"}, status={}, created=kit.clock.now())
    await pass_time(5)
    assert kit.reason(younger) == "Conflict"
    kit.edit(delete)
    await pass_time(1)
    del kit.cloud.caches[ID]
    await pass_time(20)
    assert KEY not in kit.kubernetes.objects
    assert kit.reason(younger) == "NotFound"


async def test_a_holder_that_only_observes_from_now_on_makes_room(kit: Kit) -> None:
    """Who is bound by name takes over by itself."""
    kit.cloud.put(ID, name="shared")
    kit.make()
    await settle()
    younger = kit.make(name="younger", uid="uid-2", spec={"name": "shared"}, status={}, created=kit.clock.now())
    await pass_time(70)
    assert kit.reason(younger) == "Conflict"
    kit.edit(lambda it: it["spec"].update(managementPolicy="Observe"))
    await settle()
    assert kit.reason(younger) == "Available"


RIVAL = Key("team-a", "rival")


@pytest.mark.parametrize("seen", ["its successor", "its successor, then its end"])
async def test_an_object_that_is_seen_only_as_its_successor_has_vanished(kit: Kit, seen: str) -> None:
    """Its finalizer was taken by hand: told in log and ledger, and what waited for it goes on."""
    kit.cloud.put(ID)
    key = kit.make()
    kit.make(name="rival", uid="uid-9", created=EPOCH, spec={"imageCacheID": ID}, status={}, finalizers=[FINALIZER])
    await pass_time(10)
    assert kit.reason(RIVAL) == "Conflict"
    old = kit.kubernetes.objects[key]
    kit.make(uid="uid-2", created=EPOCH, spec={"imageCacheID": OTHER_ID}, status={}, finalizers=[])
    if seen != "its successor":
        kit.reconciler.objects.vanished(old)
    await pass_time(70)
    assert (kit.reason(RIVAL), len(kit.reconciler._ledger._waiting)) == ("Available", 1)


async def test_an_object_that_was_let_go_holds_no_cache(kit: Kit) -> None:
    """It still hangs on another's finalizer; the object that waited for the cache holds it, and takes it along."""
    kit.cloud.put(ID)
    first = kit.make(name="a", finalizers=[FINALIZER, "example.com/x"], spec={"imageCacheID": ID, **RETAIN})
    second = kit.make(name="b", uid="uid-b", created=EPOCH, status={})
    await pass_time(10)
    assert kit.reason(second) == "Conflict"
    kit.edit(delete, key=first)
    await pass_time(10)
    assert kit.kubernetes.objects[first]["metadata"]["finalizers"] == ["example.com/x"]
    assert kit.reason(second) == "Available"
    kit.edit(delete, key=second)
    await pass_time(10)
    assert kit.cloud.count(DELETE) == 1


async def test_the_end_of_a_cache_is_announced_once_whatever_restarts(kit: Kit) -> None:
    """The status remembers it."""
    kit.cloud.put(ID, retention_days=1, created_at=EPOCH - timedelta(hours=1))
    kit.make(status={})
    announced: list[str] = []
    for _ in range(4):
        await pass_time(70)
        announced += [event["reason"] for _, event in kit.reconciler._events._waiting]
        await kit.restart(after=5)
    assert "Its retention ends at" in kit.status()["conditions"][0]["message"]
    assert announced.count("Expired") == 1


async def test_the_crd_goes_long_after_an_object_that_is_held(kit: Kit) -> None:
    """It is read again each minute, by one GET for all, so `kubectl delete crd` ends though nobody repairs anything."""
    kit.cloud.troubles[LIST] = Trouble(TroubleKind.ACCESS_DENIED, "403: no")
    for number in range(20):
        kit.make(name=f"w{number}", uid=f"u{number}")
        kit.edit(delete, key=Key("team-a", f"w{number}"))
    await pass_time(600)
    assert kit.kubernetes.calls["get_crd"] <= 12
    kit.kubernetes.crd["metadata"]["deletionTimestamp"] = rfc(EPOCH)
    await pass_time(65)
    assert kit.kubernetes.objects == {}
    assert kit.released("deleted") == 0
