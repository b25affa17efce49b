"""A pass over an object: it never waits for the cloud, loses nothing, and harms no other object."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.decision.builders import ID
from tests.runtime.fakes import DELETE, GET, LIST, unreachable
from tests.runtime.reconciler_kit import KEY, OTHER_ID, Kit, delete, retain, touch
from tests.runtime.virtual_time import pass_time, settle

from imagecache_operator.answers import Refused
from imagecache_operator.kubernetes_client import ConflictError, KubernetesError
from imagecache_operator.names import FINALIZER
from imagecache_operator.observation import CacheStatus


async def test_a_deletion_from_begin_to_end(kit: Kit) -> None:
    """DELETE once, looked at until it is gone, confirmed by a GET, let go, and nothing is left in memory."""
    await kit.started_deletion()
    assert kit.cloud.count(DELETE) == 1
    assert kit.reason() in {"DeleteRequested", "Deleting"}
    await pass_time(6)
    assert kit.reason() == "Deleting"
    kit.cloud.caches.clear()
    await pass_time(6)
    assert KEY not in kit.kubernetes.objects
    assert (kit.cloud.count(DELETE), kit.released("deleted")) == (1, 1)
    assert (len(kit.reconciler.store), list(kit.accounts), len(kit.reconciler.queue)) == (0, [], 0)
    calls = len(kit.cloud.calls)
    await pass_time(600)
    assert len(kit.cloud.calls) == calls


async def test_a_deletion_costs_three_writes(kit: Kit) -> None:
    """The intent, what was learnt after it, and the finalizer."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    before = len(kit.kubernetes.patches)
    kit.edit(delete)
    await pass_time(20)
    kit.cloud.caches.clear()
    await pass_time(20)
    assert KEY not in kit.kubernetes.objects
    assert len(kit.kubernetes.patches) - before == 3
    assert kit.passes("error") == 0


async def test_the_intent_is_written_before_the_delete_goes_out(kit: Kit) -> None:
    """After a kill in between, the next process knows that a DELETE may have been sent."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    hold = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    kit.edit(delete)
    await pass_time(10)
    assert kit.cloud.count(DELETE) == 0
    hold.set()
    await settle()
    assert kit.cloud.count(DELETE) == 1
    assert kit.status()["deletion"]["attempts"] == 1


async def test_no_delete_without_the_intent(kit: Kit) -> None:
    """When the status cannot be written, nothing is sent, and the slot is not kept from others."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    kit.kubernetes.fail("patch_status", *(unreachable() for _ in range(100)))
    kit.edit(delete)
    await pass_time(5)
    assert kit.cloud.count(DELETE) == 0
    assert not kit.limiter().granted(KEY)
    kit.kubernetes.failures.clear()
    await pass_time(300)
    assert kit.cloud.count(DELETE) == 1


@pytest.mark.parametrize("operation", [LIST, GET, DELETE])
async def test_a_pass_never_waits_for_the_cloud(kit: Kit, operation: Any) -> None:
    """While a call hangs for ever, the worker is free, and the status says what is awaited."""
    if operation is not GET:
        kit.cloud.put(ID)
    kit.cloud.hold(operation)
    kit.make()
    await settle()
    kit.edit(delete)
    await pass_time(3)
    assert kit.cloud.count(operation) == 1
    assert len(kit.reconciler.queue) == 0
    assert kit.reason() == "DeleteRequested"


@pytest.mark.parametrize("operation", [LIST, GET, DELETE])
async def test_retain_lets_go_at_once_while_a_call_hangs(kit: Kit, operation: Any) -> None:
    """A person's word does not wait for the cloud, and what the call brings later does no harm."""
    if operation is not GET:
        kit.cloud.put(ID)
    hold = kit.cloud.hold(operation)
    kit.make()
    kit.make(name="other", uid="uid-other", spec={"imageCacheID": OTHER_ID}, status={})
    await settle()
    kit.edit(delete)
    await pass_time(3)
    kit.edit(retain)
    await settle()
    assert KEY not in kit.kubernetes.objects
    assert kit.released("retained") == 1
    hold.set()
    await settle()
    assert kit.reconciler.store.get(KEY) is None
    assert len(kit.reconciler.queue) == 0


async def test_an_answer_after_the_end_of_its_object_keeps_nothing_in_motion(kit: Kit) -> None:
    """Else the account would be looked at every five seconds for ever."""
    hold = kit.cloud.hold(DELETE)
    kit.make(name="other", uid="uid-other", spec={"imageCacheID": OTHER_ID, "managementPolicy": "Observe"}, status={})
    await kit.started_deletion()
    kit.edit(retain)
    await settle()
    hold.set()
    await pass_time(1)
    assert kit.released("retained") == 1
    assert not kit.moving()
    assert kit.limiter().waiting == 0


async def test_a_conflict_looks_again_and_goes_on(kit: Kit) -> None:
    """The watch is late: the object is read, and the pass decides on what is true now."""
    kit.cloud.put(ID)
    kit.make(status={})
    kit.edit(touch, watched=False)
    await settle()
    assert kit.kubernetes.calls["get_object"] == 1
    assert kit.passes("conflict") == 1
    assert kit.reason() == "Available"


async def test_a_conflict_brings_the_word_of_retain(kit: Kit) -> None:
    """What the pass did not know yet counts before anything is sent."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    kit.edit(delete)
    kit.edit(retain, watched=False)
    await settle()
    assert (kit.cloud.count(DELETE), kit.released("retained")) == (0, 1)


async def test_a_conflict_that_nothing_new_explains_backs_off(kit: Kit) -> None:
    """An admission policy may refuse each patch; the API server must not be asked without a pause."""
    kit.kubernetes.fail("patch_object", *(ConflictError("422", 422) for _ in range(1000)))
    kit.cloud.put(ID)
    kit.make(finalizers=[])
    await pass_time(60)
    assert 5 <= kit.kubernetes.calls["patch_object"] <= 10


async def test_an_object_that_is_gone_ends_its_pass(kit: Kit) -> None:
    """The patch's 404 is the news; nothing stays behind."""
    kit.cloud.put(ID)
    kit.make(status={})
    del kit.kubernetes.objects[KEY]
    await settle()
    assert (len(kit.reconciler.store), list(kit.accounts)) == (0, [])
    assert kit.passes("error") == 0


async def test_an_api_server_that_fails_delays_only_its_object(kit: Kit) -> None:
    """The failing key backs off, and others go on."""
    kit.cloud.put(ID)
    kit.cloud.put(OTHER_ID, name="db")
    kit.kubernetes.fail(f"patch_status {KEY}", unreachable())
    kit.make(status={})
    other = kit.make(name="other", uid="uid-other", spec={"imageCacheID": OTHER_ID}, status={})
    await settle()
    assert kit.reason(other) == "Available"
    assert kit.status() == {}
    await pass_time(1.1)
    assert kit.reason() == "Available"


@pytest.mark.parametrize(
    ("times", "error"), [(1, unreachable()), (3, KubernetesError("500", 500)), (1, ConflictError("409", 409))]
)
async def test_the_answer_to_a_delete_is_not_lost_when_the_status_cannot_be_written(
    kit: Kit, times: int, error: KubernetesError
) -> None:
    """It is written by a later pass, and no second DELETE goes out."""
    hold = kit.cloud.hold(DELETE)
    await kit.started_deletion()
    kit.kubernetes.fail("patch_status", *[error] * times)
    hold.set()
    await pass_time(30)
    assert not kit.kubernetes.failures["patch_status"]
    assert kit.status()["deletion"]["acceptedAt"]
    assert kit.status()["deletion"]["requestID"] == "request-1"
    assert kit.cloud.count(DELETE) == 1


async def test_an_answer_that_comes_while_the_status_is_written_is_not_lost(kit: Kit) -> None:
    """The write that is on its way does not know it yet; the next one has it."""
    answer = kit.cloud.hold(DELETE)
    await kit.started_deletion()
    kit.cloud.put(ID, CacheStatus.DELETING)
    written = kit.kubernetes.holds["patch_status"] = asyncio.Event()
    before = kit.kubernetes.calls["patch_status"]
    await pass_time(6)
    assert kit.kubernetes.calls["patch_status"] == before + 1
    answer.set()
    await settle()
    written.set()
    await pass_time(6)
    assert kit.status()["deletion"]["acceptedAt"]


async def test_looks_from_before_the_answer_are_not_used(kit: Kit) -> None:
    """A LIST that began while the DELETE was on its way says nothing, be the cache in it or not."""
    await kit.started_deletion()
    delete_hold = kit.cloud.hold(DELETE)
    kit.cloud.answers.append(Refused("locked"))
    await pass_time(61)
    kit.cloud.put(ID)
    await pass_time(60)
    kit.cloud.caches.clear()
    before = kit.cloud.count(GET)
    await pass_time(10)
    delete_hold.set()
    await settle()
    assert KEY in kit.kubernetes.objects
    await pass_time(10)
    assert kit.cloud.count(GET) > before
    assert KEY not in kit.kubernetes.objects


async def test_the_crd_is_read_once_before_the_first_delete(kit: Kit) -> None:
    """And when it is being deleted, caches stay."""
    kit.kubernetes.crd["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    await kit.started_deletion()
    assert (kit.cloud.count(DELETE), kit.released("retained"), kit.kubernetes.calls["get_crd"]) == (0, 1, 1)


async def test_an_unreadable_crd_holds_and_is_read_again(kit: Kit) -> None:
    """The status says what is awaited; two seconds later it is tried again."""
    kit.kubernetes.fail("get_crd", unreachable(), unreachable())
    await kit.started_deletion()
    assert kit.cloud.count(DELETE) == 0
    assert "CustomResourceDefinition" in kit.status()["conditions"][0]["message"]
    await pass_time(2.1)
    assert kit.cloud.count(DELETE) == 1


async def test_the_finalizer_is_put_on_before_anything_else(kit: Kit) -> None:
    """And nothing of the object's own is touched."""
    kit.cloud.put(ID, CacheStatus.CREATING)
    kit.make(finalizers=["example.com/other"], status={})
    await settle()
    assert kit.kubernetes.objects[KEY]["metadata"]["finalizers"] == ["example.com/other", FINALIZER]
    assert kit.reason() == "Creating"


async def test_a_cloud_whose_lists_lack_what_it_is_deleting(kit: Kit) -> None:
    """After each LIST a GET asks for it, so that its end is seen in time."""
    kit.cloud.hide_deleting = True
    await kit.started_deletion()
    await pass_time(31)
    assert kit.reason() == "Deleting"
    assert 5 <= kit.cloud.count(GET) <= 8
    kit.cloud.caches.clear()
    await pass_time(6)
    assert KEY not in kit.kubernetes.objects
    assert kit.cloud.count(DELETE) == 1
