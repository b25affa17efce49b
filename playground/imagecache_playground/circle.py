"""The demo's last part: a manifest creates a cache, a change replaces it, it is deleted; with two kills on the way."""

from __future__ import annotations

from collections.abc import Callable

from imagecache_playground.cluster import condition, manifest, manifests
from imagecache_playground.operator_process import Operator
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

NAME = "made"
POST, DELETE = "CreateImageCache", "DeleteImageCache"
SECONDS = 3


def full_circle(world: Surroundings, namespace: str, operator: Operator, say: Callable[[str], None]) -> list[str]:
    """Show it; returns what is not as it should be."""
    # Those of the parts before.
    posts, deletes = (len(world.cloud.calls(operation)) for operation in (POST, DELETE))
    world.cloud.settings(timing={"create_seconds": SECONDS, "delete_seconds": SECONDS})

    def kill_at(operation: str, number: int) -> None:
        wait_for(lambda: len(world.cloud.calls(operation)) >= number, what=operation, seconds=20)
        operator.program.kill()
        say(f"   operator killed as soon as the cloud had {operation}; starting it again")
        operator.start()

    def apply(images: list[str]) -> None:
        spec = {"images": images, "recreateOn": ["SpecChanged"]}
        world.cluster.kubectl("apply", "-f", "-", stdin=manifests([manifest(namespace, NAME, **spec)]))

    def wait_ready(generation: int) -> str:
        found = world.wait(
            lambda it: (
                condition(it, "Ready").get("status") == "True"
                and condition(it, "Ready").get("observedGeneration") == generation
            ),
            what=f"{NAME} is Ready at generation {generation}",
            name=NAME,
            seconds=40,
        )
        assert found is not None
        cache_id = str(found["status"]["imageCacheID"])
        say(f"   Ready: cache {cache_id} has {', '.join(found['spec']['images'])}")
        return cache_id

    say("   kubectl apply: images: [nginx]")
    apply(["nginx"])
    kill_at(POST, posts + 1)
    first = wait_ready(1)
    say("   kubectl apply: images: [nginx, busybox]")
    apply(["nginx", "busybox"])
    kill_at(DELETE, deletes + 1)
    second = wait_ready(2)
    say(f"   kubectl delete imagecache {NAME}")
    world.cluster.kubectl("-n", namespace, "delete", "imagecache", NAME, "--timeout=60s")

    faults = []
    if first == second:
        faults.append("the cache should have been replaced")
    if left := [cache for cache in world.cloud.caches().values() if cache["name"] == NAME]:
        faults.append(f"no cache of that name should be left, and {len(left)} are")
    for operation, before in ((POST, posts), (DELETE, deletes)):
        if (count := len(world.cloud.calls(operation)) - before) != 2:
            faults.append(f"2 {operation} should have been sent, and {count} were")
    return faults
