"""What all benchmarks share: one cluster, its audit log, and a fresh namespace and cloud for each measurement."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagecache_benchmarks.audit import AuditLog
from imagecache_benchmarks.contender import Contender, Running
from imagecache_benchmarks.results import Row
from imagecache_benchmarks.traffic import Line, create_all
from imagecache_benchmarks.watch import Watch
from imagecache_playground.cluster import Cluster, condition
from imagecache_playground.operator_process import operator_settings
from imagecache_playground.surroundings import Surroundings

BIND_SECONDS = 120.0


class World(Surroundings):
    """A namespace and a cloud, in which contenders are started.

    Args:
        cluster: has the CRD and the role in it.
        namespace: is there already.
        directory: for logs and kubeconfigs.
        scenario: of the simulator.
    """

    def __init__(self, cluster: Cluster, namespace: str, directory: Path, scenario: dict[str, Any]) -> None:
        super().__init__(cluster, namespace, directory, scenario)
        self.line = Line(cluster.plane)
        self._started = itertools.count(1)

    def start(self, contender: Contender, *, wait: bool = True, **changes: str) -> Running:
        """Start a contender with the same settings as all others, but for the changes."""
        settings = {"IMAGECACHE_NAMESPACES": self.namespace, "IMAGECACHE_WRITES_PER_MINUTE": "0"}
        return Running(
            contender,
            self.cluster.plane.kubeconfig if contender.as_admin else self.kubeconfig,
            operator_settings(self.cloud.endpoint, **(settings | changes)),
            self.directory / f"{contender.label.replace(' ', '-')}-{next(self._started)}.log",
            wait=wait,
        )

    def bind_all(
        self, prefix: str, count: int, *, finalizer: str = "", behaviours: list[dict[str, Any]] | None = None
    ) -> dict[str, str]:
        """So many caches, and an object bound to each; returns the ids by name."""
        names = [f"{prefix}-{number:04d}" for number in range(count)]
        caches: list[dict[str, Any]] = [{"name": name} for name in names]
        for cache, behaviour in zip(caches, behaviours or [], strict=False):
            cache["delete_behaviour"] = behaviour
        bound = dict(zip(names, self.cloud.add_caches(caches), strict=True))
        create_all(self.cluster.plane, self.namespace, bound, finalizer)
        return bound

    def wait_held(self, count: int, *, ready: bool) -> None:
        """Wait until so many objects carry a finalizer, and, if asked for, are Ready."""
        deadline = time.monotonic() + BIND_SECONDS
        while True:
            objects = self.line.objects(self.namespace)
            held = [one for one in objects if one["metadata"].get("finalizers")]
            done = [one for one in held if not ready or condition(one, "Ready").get("status") == "True"]
            if len(done) >= count:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(done)} of {count} objects were bound in {BIND_SECONDS:g} s")
            # A list of 1,000 objects takes time from those who are measured next.
            time.sleep(0.5)

    def watch(self) -> Watch:
        """Note from now on when things happen to the objects."""
        return Watch(self.cluster.plane, self.namespace)

    def deletes_of(self, caches: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
        """The DELETE calls of each cache, by its object's name."""
        names = {cache_id: name for name, cache_id in caches.items()}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in caches}
        for call in self.cloud.calls("DeleteImageCache"):
            if call["cache_id"] in names:
                found[names[call["cache_id"]]].append(call)
        return found


@dataclass(slots=True)
class Bench:
    """The cluster, and what was found so far.

    Attributes:
        cluster: one for all.
        audit: its audit log.
        directory: for logs.
        runs: of each measurement.
    """

    cluster: Cluster
    audit: AuditLog
    directory: Path
    runs: int
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _worlds: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def say(self, sentence: str) -> None:
        """Tell a person how far it is."""
        print(f"{time.monotonic() - self._began:6.0f} s  {sentence}", flush=True)

    def world(self, name: str, **scenario: Any) -> World:
        """A fresh namespace and cloud; the cloud has no quota and no limits unless the scenario says so."""
        namespace = f"bench-{name}-{next(self._worlds)}"
        directory = self.directory / namespace
        directory.mkdir()
        self.cluster.create_namespace(namespace)
        settings = {"quota": 0, "writes_per_minute": 0, "reads_per_second": 0}
        return World(self.cluster, namespace, directory, settings | scenario)
