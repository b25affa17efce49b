"""Bad days, with real programs: kills, outages, clocks, credentials that change, the definition being deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from imagecache_playground.cloud import ACCESS_KEY, SECRET_KEY
from imagecache_playground.cluster import Cluster, condition, manifest, manifests
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import FINALIZER, Surroundings

CACHES = 12


def bind_many(world: Surroundings, count: int = CACHES, **spec: str) -> list[str]:
    """That many caches with an object each, all of them Ready."""
    ids = world.cloud.add_caches([{"name": f"web-{number}"} for number in range(count)])
    objects = [
        manifest(world.namespace, f"web-{number}", imageCacheID=cache_id, **spec) for number, cache_id in enumerate(ids)
    ]
    world.cluster.kubectl("apply", "-f", "-", stdin=manifests(objects))
    return ids


def wait_all_ready(world: Surroundings) -> None:
    """Until every object of the namespace is Ready."""
    world.cluster.kubectl(
        "-n", world.namespace, "wait", "imagecaches", "--all", "--for=condition=Ready", "--timeout=30s"
    )


def delete_all(world: Surroundings) -> None:
    """As `kubectl delete imagecaches --all --wait=false`."""
    world.cluster.kubectl("-n", world.namespace, "delete", "imagecaches", "--all", "--wait=false")


def wait_all_gone(world: Surroundings, ids: list[str], seconds: float = 60) -> None:
    """Until all objects are gone; then no cache may be there, and no DELETE may have been sent twice."""
    wait_for(
        lambda: not world.cluster.objects(world.namespace),
        what="all objects are gone",
        seconds=seconds,
        stand=lambda: [(it["metadata"]["name"], it.get("status")) for it in world.cluster.objects(world.namespace)],
    )
    left = world.cloud.caches()
    assert [cache_id for cache_id in ids if cache_id in left] == []
    assert {cache_id: len(world.deletes(cache_id)) for cache_id in ids} == dict.fromkeys(ids, 1)


def test_the_operator_is_killed_again_and_again(world: Surroundings) -> None:
    """SIGKILL five times in the middle of twelve deletions: each ends, with one DELETE each."""
    world.cloud.settings(timing={"delete_seconds": 3})
    ids = bind_many(world)
    # An intent whose DELETE was never sent is repeated after this time.
    operator = world.operator(IMAGECACHE_DELETE_RETRY_AFTER="3")
    wait_all_ready(world)
    delete_all(world)
    for pause in (0.02, 0.05, 0.15, 0.4, 1.0):
        time.sleep(pause)  # the point at which it is killed
        operator.program.kill()
        operator.start()
    wait_all_gone(world, ids)


def test_sigterm_loses_nothing(world: Surroundings) -> None:
    """SIGTERM in mid-deletion: exit status 0 within 3 s, and the next process goes on without asking again."""
    world.cloud.settings(timing={"delete_seconds": 4})
    ids = bind_many(world)
    operator = world.operator()
    wait_all_ready(world)
    delete_all(world)
    wait_for(lambda: len(world.cloud.calls("DeleteImageCache")) >= CACHES // 2, what="half were sent", seconds=10)
    began = time.monotonic()
    assert operator.program.stop() == 0
    assert time.monotonic() - began <= 3.0
    operator.start()
    wait_all_gone(world, ids)


def test_the_cloud_is_away_for_a_while(world: Surroundings) -> None:
    """Connections refused for 8 s in mid-deletion: told as CloudUnavailable, then all of it ends."""
    world.cloud.settings(timing={"delete_seconds": 1})
    ids = bind_many(world)
    world.operator()
    wait_all_ready(world)
    world.cloud.control("POST", "close-port", {"seconds": 8})
    delete_all(world)
    world.wait_reason("CloudUnavailable", name="web-0")
    wait_all_gone(world, ids)


def test_the_api_server_is_away_for_a_while(surroundings: Callable[..., Surroundings], own_cluster: Cluster) -> None:
    """Killed in mid-deletion, away for 8 s, and back: the watch recovers, and every deletion ends."""
    world = surroundings(own_cluster, {"timing": {"delete_seconds": 2}, "writes_per_minute": 0})
    ids = bind_many(world)
    world.operator(IMAGECACHE_DELETE_RETRY_AFTER="5")  # for intents whose DELETE was never sent
    wait_all_ready(world)
    delete_all(world)
    own_cluster.plane.kill_apiserver()
    time.sleep(8)  # the outage
    own_cluster.plane.start_apiserver()
    wait_all_gone(world, ids, seconds=90)


def test_the_api_server_hangs_for_a_while(surroundings: Callable[..., Surroundings], own_cluster: Cluster) -> None:
    """Connections that are open and dead, found by time-outs: every deletion ends once it goes on."""
    world = surroundings(own_cluster, {"timing": {"delete_seconds": 1}, "writes_per_minute": 0})
    ids = bind_many(world)
    world.operator(IMAGECACHE_DELETE_RETRY_AFTER="5")  # for intents whose DELETE was never sent
    wait_all_ready(world)
    delete_all(world)
    own_cluster.plane.freeze_apiserver()
    time.sleep(20)  # the outage: longer than a request may take
    own_cluster.plane.thaw_apiserver()
    wait_all_gone(world, ids, seconds=90)


def test_the_definition_is_deleted_and_no_cache_follows(
    surroundings: Callable[..., Surroundings], own_cluster: Cluster
) -> None:
    """`kubectl delete crd` with 50 objects: every finalizer goes, and not one DELETE is sent."""
    world = surroundings(own_cluster, {"writes_per_minute": 0})
    ids = bind_many(world, 50)
    world.operator()
    wait_all_ready(world)
    own_cluster.kubectl("delete", "crd", "imagecaches.cce.huaweicloud.com", "--timeout=60s")
    assert not world.cloud.calls("DeleteImageCache")
    assert world.cloud.caches().keys() >= set(ids)


def write_secret(directory: Path, **keys: str) -> None:
    """Write keys as the kubelet does: a new directory, then the link swapped to it."""
    fresh = directory / f"..{time.monotonic_ns()}"
    fresh.mkdir(parents=True)
    for key, text in keys.items():
        (fresh / key).write_text(text, encoding="utf-8")
    link = directory / "..new"
    link.symlink_to(fresh.name)
    link.rename(directory / "..data")
    for key in keys:
        if not (directory / key).is_symlink():
            (directory / key).symlink_to(Path("..data") / key)


def test_credentials_that_are_wrong_gone_and_repaired(world: Surroundings, tmp_path: Path) -> None:
    """A Secret with a wrong key: held, Stalled, one attempt; after its repair everything goes on at once."""
    directory = tmp_path / "credentials"
    write_secret(directory, accessKey=ACCESS_KEY, secretKey=SECRET_KEY)
    cache_id = world.bind()
    settings = {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": "", "IMAGECACHE_CREDENTIALS_DIR": str(directory)}
    operator = world.operator(**settings)
    world.wait_reason("Available")
    write_secret(directory, accessKey=ACCESS_KEY, secretKey="wrong-" + SECRET_KEY)
    stalled = world.wait_stalled("CredentialsInvalid")
    assert "fingerprint" in condition(stalled, "Stalled")["message"]
    world.delete()
    refused = [call for call in world.cloud.calls() if call["status"] == 401]
    assert 1 <= len(refused) <= 4
    write_secret(directory, accessKey=ACCESS_KEY, secretKey=SECRET_KEY)
    world.wait_gone(seconds=10)
    assert world.cloud.cache(cache_id) is None
    assert SECRET_KEY not in operator.program.said()


def test_a_region_that_leads_elsewhere_gets_no_request(world: Surroundings) -> None:
    """An object cannot send the credentials to another host: with an endpoint for one region, others are refused."""
    world.cluster.create(
        world.namespace, "web", imageCacheID="00000000-0000-0000-0000-000000000000", region="eu-west-101"
    )
    world.operator()
    stalled = world.wait_stalled("EndpointInvalid")
    assert "eu-west-101" in condition(stalled, "Stalled")["message"]


def test_a_namespace_that_the_credentials_do_not_serve(world: Surroundings) -> None:
    """Not allowed, before and during deletion; Retain still lets go."""
    cache_id = world.bind()
    world.operator(IMAGECACHE_OWN_CREDENTIALS_NAMESPACES="somewhere-else")
    world.wait_stalled("NotAllowed")
    world.delete()
    world.wait(lambda it: it and condition(it, "Stalled").get("observedGeneration") == 2, what="still NotAllowed")
    world.wait_stalled("NotAllowed")
    world.set_spec(deletionPolicy="Retain")
    world.wait_gone(seconds=5)
    assert world.cloud.cache(cache_id) is not None
    assert not world.cloud.calls("DeleteImageCache")


def test_credentials_secret_ref_is_not_served(world: Surroundings) -> None:
    """Told as NotAllowed with what to do."""
    world.bind(spec={"credentialsSecretRef": {"name": "mine"}})
    world.operator()
    assert "credentialsSecretRef" in condition(world.wait_stalled("NotAllowed"), "Stalled")["message"]


def test_no_write_is_wasted_on_a_full_minute(world: Surroundings) -> None:
    """Twelve deletions under a limit of ten: ten are sent, two wait and say so, no 429."""
    world.cloud.settings(writes_per_minute=10)
    bind_many(world)
    world.operator(IMAGECACHE_WRITES_PER_MINUTE="10")
    wait_all_ready(world)
    delete_all(world)
    wait_for(lambda: len(world.cluster.objects(world.namespace)) == 2, what="ten are gone", seconds=30)
    waiting = world.cluster.objects(world.namespace)
    assert {condition(it, "Ready")["reason"] for it in waiting} == {"DeleteRequested"}
    assert all("write slot" in condition(it, "Ready")["message"] for it in waiting)
    assert {call["status"] for call in world.cloud.calls("DeleteImageCache")} == {202}
    last = waiting[0]["metadata"]["name"]
    world.set_spec(last, deletionPolicy="Retain")
    world.wait_gone(last, seconds=2)


def test_foreign_finalizers_and_fields_are_left_alone(world: Surroundings) -> None:
    """Only our finalizer goes; somebody else's keeps the object until it is taken off, and nothing is asked again."""
    cache_id = world.bind()
    world.cluster.patch(world.namespace, "web", {"metadata": {"finalizers": ["example.com/mine"]}})
    world.operator()
    world.wait_reason("Available")
    world.delete()
    held = world.wait(
        lambda it: it and it["metadata"].get("finalizers") == ["example.com/mine"], what="only our finalizer is off"
    )
    assert held is not None
    assert FINALIZER not in held["metadata"]["finalizers"]
    assert world.cloud.cache(cache_id) is None
    assert len(world.deletes(cache_id)) == 1
    world.cluster.patch(world.namespace, "web", {"metadata": {"finalizers": None}})
    world.wait_gone()
