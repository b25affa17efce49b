"""The own list of all objects: complete before the start, and later against a deaf watch and ghosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any

import pytest
from tests.decision.builders import ID, body
from tests.runtime.fakes import DELETE, GET, FakeKubernetes, unreachable
from tests.runtime.reconciler_kit import KEY, Kit, touch
from tests.runtime.virtual_time import pass_time, settle

from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesError, NotFoundError
from imagecache_operator.relist import INTERVAL, RETRY, Relister

SECOND = Key("team-b", "second")


@pytest.fixture
async def relister(kit: Kit) -> AsyncIterator[Relister]:
    """A relister that lists every five minutes."""
    made = Relister(kit.kubernetes, kit.reconciler, None, kit.clock)
    running = asyncio.create_task(made.run())
    yield made
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


def known(kit: Kit) -> set[Key]:
    """The objects that the operator knows."""
    return {resource.key for resource in kit.reconciler.store}


async def test_the_first_list_is_complete(kit: Kit, relister: Relister) -> None:
    """All objects are known afterwards, and only then it says so."""
    kit.kubernetes.put(body())
    kit.kubernetes.put(body(namespace="team-b", name="second", uid="uid-2"))
    assert (relister.listed, relister.obstacle) == (False, "The objects were not listed yet.")
    await relister.complete()
    assert known(kit) == {KEY, SECOND}
    assert (relister.listed, relister.obstacle) == (True, None)


@pytest.mark.parametrize(
    ("namespaces", "found"),
    [(None, {KEY, SECOND}), (["team-a"], {KEY}), (["team-b", "team-a"], {KEY, SECOND}), (["team-c"], set())],
    ids=["all", "one", "two", "an empty one"],
)
async def test_only_the_namespaces_served_are_listed(
    kit: Kit, namespaces: Collection[str] | None, found: set[Key]
) -> None:
    """One list for all, or one for each that is named."""
    kit.kubernetes.put(body())
    kit.kubernetes.put(body(namespace="team-b", name="second", uid="uid-2"))
    await Relister(kit.kubernetes, kit.reconciler, namespaces, kit.clock).complete()
    assert known(kit) == found
    assert kit.kubernetes.calls["list_objects"] == (1 if namespaces is None else len(namespaces))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(
            NotFoundError("404 page not found", 404),
            "The CustomResourceDefinition imagecaches.cce.huaweicloud.com is not installed: apply crds/, or the output "
            "of `imagecache-operator crd`.",
            id="no CRD",
        ),
        pytest.param(
            KubernetesError("GET /x: 403 Forbidden", 403),
            "The API server does not let the operator list ImageCaches (GET /x: 403 Forbidden): apply its ClusterRole.",
            id="forbidden",
        ),
        pytest.param(
            KubernetesError("GET /x: 401 Unauthorized", 401),
            "The API server does not know the operator's token (GET /x: 401 Unauthorized): renew the kubeconfig or the "
            "account.",
            id="unauthorized",
        ),
        pytest.param(
            unreachable(),
            "The ImageCaches cannot be listed: the API server could not be reached",
            id="no answer",
        ),
    ],
)
async def test_an_obstacle_is_told_once_and_tried_again(
    kit: Kit, relister: Relister, caplog: pytest.LogCaptureFixture, error: KubernetesError, sentence: str
) -> None:
    """Every second until it is gone: the CRD and the permissions may come later."""
    kit.kubernetes.put(body())
    kit.kubernetes.fail("list_objects", *[error] * 5)
    completing = asyncio.create_task(relister.complete())
    await pass_time(4 * RETRY + 0.5)
    assert (relister.listed, relister.obstacle) == (False, sentence)
    assert caplog.messages == [sentence]
    assert known(kit) == set()
    await pass_time(RETRY)
    assert completing.done()
    assert (relister.listed, relister.obstacle, known(kit)) == (True, None, {KEY})


async def test_another_obstacle_is_told_again(kit: Kit, relister: Relister, caplog: pytest.LogCaptureFixture) -> None:
    """Also the same one after it was gone."""
    forbidden = KubernetesError("403", 403)
    kit.kubernetes.fail("list_objects", unreachable(), forbidden, forbidden, unreachable())
    await relister.complete()
    assert len(caplog.messages) == 3
    kit.kubernetes.fail("list_objects", unreachable())
    await pass_time(INTERVAL + 1)
    assert len(caplog.messages) == 4


async def test_a_list_that_breaks_off_is_not_complete(kit: Kit, relister: Relister) -> None:
    """Some of several namespaces are not all."""
    kit.kubernetes.put(body())
    several = Relister(kit.kubernetes, kit.reconciler, ["team-a", "team-b"], kit.clock)
    kit.kubernetes.fail_nth("list_objects", 2, unreachable())
    assert not await several._attempt()
    assert (several.listed, known(kit)) == (False, {KEY})


async def test_what_a_deaf_watch_missed_is_found(kit: Kit, relister: Relister) -> None:
    """New and changed objects, within five minutes."""
    await relister.complete()
    kit.kubernetes.put(body())
    await pass_time(INTERVAL - 1)
    assert known(kit) == set()
    await pass_time(2)
    assert known(kit) == {KEY}
    changed = kit.edit(touch, watched=False)
    await pass_time(INTERVAL)
    resource = kit.reconciler.store.get(KEY)
    assert resource is not None
    assert int(resource.resource_version) >= int(changed["metadata"]["resourceVersion"])


async def test_an_object_that_vanished_unseen_is_removed_by_its_own_404(kit: Kit, relister: Relister) -> None:
    """And nothing of the cloud is touched."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    await relister.complete()
    del kit.kubernetes.objects[KEY]
    await pass_time(INTERVAL - 1)
    assert known(kit) == {KEY}
    await pass_time(2)
    assert known(kit) == set()
    assert (kit.cloud.count(DELETE), kit.cloud.count(GET)) == (0, 0)
    assert kit.kubernetes.calls["get_object"] == 1


@pytest.mark.parametrize("error", [unreachable(), KubernetesError("500", 500), KubernetesError("403", 403)], ids=str)
async def test_a_list_that_lacks_an_object_proves_nothing_by_itself(
    kit: Kit, relister: Relister, error: KubernetesError
) -> None:
    """It may be older than the object; without the object's own 404 it stays."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    await relister.complete()
    kept = kit.kubernetes.objects.pop(KEY)
    kit.kubernetes.listed = lambda: kit.kubernetes.objects.update({KEY: kept})
    await pass_time(INTERVAL + 1)
    assert known(kit) == {KEY}
    kit.kubernetes.objects.clear()
    kit.kubernetes.listed = lambda: None
    kit.kubernetes.fail("get_object", error)
    await pass_time(INTERVAL)
    assert known(kit) == {KEY}


async def test_an_object_made_while_the_list_was_read_stays(kit: Kit, relister: Relister) -> None:
    """It was not there before the list, so the list says nothing of it."""
    await relister.complete()

    def made_meanwhile() -> None:
        kit.kubernetes.listed = lambda: None
        kit.make()

    kit.kubernetes.listed = made_meanwhile
    await pass_time(INTERVAL + 1)
    assert known(kit) == {KEY}
    assert kit.kubernetes.calls["get_object"] == 0


async def test_a_successor_under_the_same_name_stays(kit: Kit, relister: Relister) -> None:
    """The 404 belongs to the former object; the watch has told of the new one meanwhile."""
    kit.cloud.put(ID)
    kit.make()
    await settle()
    await relister.complete()
    del kit.kubernetes.objects[KEY]
    hold = kit.kubernetes.holds["get_object"] = asyncio.Event()
    await pass_time(INTERVAL + 1)
    assert kit.kubernetes.calls["get_object"] == 1
    kit.kubernetes.fail("get_object", NotFoundError("404", 404))
    kit.make(uid="uid-2")
    hold.set()
    await settle()
    resource = kit.reconciler.store.get(KEY)
    assert resource is not None
    assert resource.uid == "uid-2"


async def test_a_ghost_of_ours_is_not_taken_for_one_that_vanished(kit: Kit, relister: Relister) -> None:
    """What was gone before the finalizer lives in memory only until its cache is gone."""
    kit.cloud.put(ID)
    await relister.complete()
    kit.kubernetes.holds["patch_object"] = asyncio.Event()
    kit.make(finalizers=[], status={})
    kit.reconciler.objects.vanished(kit.kubernetes.objects.pop(KEY))
    kit.kubernetes.holds["patch_object"].set()
    await pass_time(INTERVAL + 1)
    assert known(kit) == {KEY}
    assert kit.kubernetes.calls["get_object"] == 0


async def test_an_unreadable_object_in_the_list_is_no_obstacle(kit: Kit, relister: Relister) -> None:
    """It is there, so it is not asked for again, and the others are taken over."""
    odd: dict[str, Any] = body(name="odd", uid="uid-odd") | {"spec": {"imageCacheID": 7}}
    kit.kubernetes.put(odd)
    kit.kubernetes.put(body())
    await relister.complete()
    await pass_time(INTERVAL + 1)
    assert known(kit) == {KEY}
    assert (relister.listed, kit.kubernetes.calls["get_object"]) == (True, 0)


def test_the_fake_is_of_the_clients_kind() -> None:
    """All verbs of the client are faked, so no test talks to a real server by mistake."""
    verbs = [name for name in dir(FakeKubernetes.__base__) if not name.startswith("_") and name != "close"]
    assert all(name in vars(FakeKubernetes) for name in verbs)
