"""A sync of Argo CD, by its own code: sync waves, and pruning with and without confirmation."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.gitops.engines import GITOPS

from imagecache_playground.cloud import BUILDER
from imagecache_playground.cluster import Cluster, Object
from imagecache_playground.processes import wait_for
from imagecache_playground.surroundings import Surroundings

WAVE = "argocd.argoproj.io/sync-wave"
GARBAGE_COLLECTED = 60
"""Argo CD deletes in the foreground, which waits for the garbage collector, and that looks for new kinds every 30 s."""

CACHE = "cce.huaweicloud.com/ImageCache/web"

Manifests = list[dict[str, Any]]


class Sync:
    """One sync operation, and what it has said so far."""

    def __init__(self, command: list[str], manifests: Manifests, complaints: Path) -> None:
        self.said: list[dict[str, str]] = []
        self._complaints = complaints
        with complaints.open("w") as errors:
            self._program = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._program.stdin
        self._program.stdin.write("---\n".join(map(yaml.safe_dump, manifests)))
        self._program.stdin.close()

    def _read(self) -> None:
        assert self._program.stdout
        self.said.extend(json.loads(line) for line in iter(self._program.stdout.readline, ""))

    @property
    def newest(self) -> dict[str, str]:
        """How it stands."""
        return self.said[-1] if self.said else {"phase": "", "message": ""}

    def wait_said(self, message: str) -> None:
        """Wait for a message, before it is over."""
        wait_for(lambda: message in self.newest["message"], what=message, seconds=60, stand=self._stand)
        assert self.newest["phase"] == "Running"

    def wait_succeeded(self) -> None:
        """Wait for a good end."""
        wait_for(lambda: self.newest["phase"] == "Succeeded", what="the end of it", seconds=60, stand=self._stand)

    def _stand(self) -> str:
        return f"{self.said} {self._complaints.read_text(encoding='utf-8')}"

    def end(self) -> None:
        """End the program, if it has not ended."""
        self._program.kill()
        self._program.wait(20)
        self._reader.join(20)
        if self._program.stdout:
            self._program.stdout.close()


@pytest.fixture
def world(surroundings: Callable[..., Surroundings], cluster: Cluster) -> Surroundings:
    """A cloud that takes two seconds for everything, and an operator that can build."""
    timing = {"create_seconds": 2, "delete_seconds": 2}
    made = surroundings(cluster, {"timing": timing, "writes_per_minute": 0})
    made.operator(IMAGECACHE_CLUSTER_ID=BUILDER)
    return made


@pytest.fixture
def sync(
    world: Surroundings, engines: dict[str, Path], config_map: Path, tmp_path: Path
) -> Iterator[Callable[..., Sync]]:
    """Starts sync operations of the namespace."""
    started: list[Sync] = []

    def start(manifests: Manifests, *options: str) -> Sync:
        command = [engines["argocd-lua"], "sync", config_map, world.cluster.plane.kubeconfig, world.namespace]
        started.append(Sync([*map(str, command), *options], manifests, tmp_path / f"sync-{len(started)}"))
        return started[-1]

    yield start
    for one in started:
        one.end()


def cache(wave: int = 0) -> Object:
    """The manifest of a cache."""
    metadata = {"name": "web", "annotations": {WAVE: str(wave)}}
    spec = {"images": ["nginx:1.27"]}
    return {"apiVersion": "cce.huaweicloud.com/v1alpha1", "kind": "ImageCache", "metadata": metadata, "spec": spec}


def other(wave: int) -> Object:
    """The manifest of something else: of what needs the cache, or of what the cache needs."""
    metadata = {"name": "other", "annotations": {WAVE: str(wave)}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}


def has_other(world: Surroundings) -> bool:
    """Whether the other object is there."""
    return "other" in world.cluster.kubectl("-n", world.namespace, "get", "configmaps", "-o", "name")


def test_a_later_wave_waits_until_the_cache_can_be_used(world: Surroundings, sync: Callable[..., Sync]) -> None:
    """What uses the cache, in a later wave, is not applied before the cache is healthy."""
    running = sync([cache(wave=0), other(wave=1)])
    running.wait_said(f"waiting for healthy state of {CACHE}")
    assert not has_other(world)
    running.wait_succeeded()
    assert world.wait_reason("Available")
    assert has_other(world)


def test_pruning_goes_from_the_last_wave_to_the_first_and_waits(world: Surroundings, sync: Callable[..., Sync]) -> None:
    """What a cache needs, in an earlier wave, stays until the cache is gone from the cloud; the sync waits for that."""
    sync([other(wave=0), cache(wave=1)]).wait_succeeded()
    world.wait_reason("Available")
    running = sync([])
    running.wait_said(f"waiting for deletion of {CACHE}")
    assert has_other(world)
    running.wait_succeeded()
    assert world.cloud.caches() == {}
    assert not has_other(world)


def test_without_later_waves_the_sync_is_over_before_the_cache_is_gone(
    world: Surroundings, sync: Callable[..., Sync]
) -> None:
    """A sync waits for health and for deletions only as far as something comes after them."""
    sync([cache()]).wait_succeeded()
    cache_id = world.wait_reason("Available")["status"]["imageCacheID"]
    world.cloud.change_cache(cache_id, delete_behaviour={"never": True})
    sync([]).wait_succeeded()
    assert world.wait_reason("Deleting")["metadata"]["deletionTimestamp"]
    world.cloud.vanish(cache_id)
    world.wait_gone(seconds=GARBAGE_COLLECTED)


def test_nothing_is_pruned_before_it_is_confirmed(world: Surroundings, sync: Callable[..., Sync]) -> None:
    """With Prune=confirm, as in the example. Another sync during the deletion asks again, and need not be answered."""
    example = yaml.safe_load((GITOPS / "argocd" / "application.yaml").read_text(encoding="utf-8"))
    assert "Prune=confirm" in example["spec"]["syncPolicy"]["syncOptions"]
    sync([cache()]).wait_succeeded()
    cache_id = world.wait_reason("Available")["status"]["imageCacheID"]
    world.cloud.change_cache(cache_id, delete_behaviour={"never": True})
    unconfirmed = sync([], "Prune=confirm")
    unconfirmed.wait_said(f"waiting for pruning confirmation of {CACHE}")
    assert "deletionTimestamp" not in world.wait_reason("Available")["metadata"]
    unconfirmed.end()

    sync([], "Prune=confirm", "confirmed").wait_succeeded()
    world.wait_reason("Deleting")
    another = sync([], "Prune=confirm")
    another.wait_said(f"waiting for pruning confirmation of {CACHE}")
    world.cloud.vanish(cache_id)
    world.wait_gone(seconds=GARBAGE_COLLECTED)
    another.wait_succeeded()
