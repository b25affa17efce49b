"""Cluster, cloud and operator together, in one namespace: what demo, tests and benchmarks are made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imagecache_playground.cloud import Cloud
from imagecache_playground.cluster import Cluster, Object, condition, reason
from imagecache_playground.operator_process import Operator, operator_settings
from imagecache_playground.processes import wait_for

FINALIZER = "cce.huaweicloud.com/imagecache"
RECONCILE = "cce.huaweicloud.com/reconcile-requested-at"


class Surroundings:
    """One namespace of a cluster, one cloud, and as many operators as are started; all are ended with it.

    Args:
        cluster: has the CRD and the role in it.
        namespace: is there already.
        directory: for logs and kubeconfigs.
        scenario: of the simulator.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, directory: Path, scenario: dict[str, Any] | None = None
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.directory = directory
        self._stack = contextlib.ExitStack()
        self.cloud = self._stack.enter_context(Cloud(directory, scenario))
        self._kubeconfig: Path | None = None
        self._operators = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def kubeconfig(self) -> Path:
        """Of the operator's own service account."""
        if self._kubeconfig is None:
            self._kubeconfig = self.cluster.operator_kubeconfig(self.directory / "operator.kubeconfig")
        return self._kubeconfig

    def operator(self, **changes: str) -> Operator:
        """Start an operator for this namespace, with quick intervals unless `changes` say otherwise."""
        settings = {
            "IMAGECACHE_NAMESPACES": self.namespace,
            "IMAGECACHE_ACTIVE_INTERVAL": "0.3",
            "IMAGECACHE_IDLE_INTERVAL": "1",
            "IMAGECACHE_REQUEST_TIMEOUT": "3",
            "IMAGECACHE_WRITES_PER_MINUTE": "0",
        }
        self._operators += 1
        log = self.directory / f"operator-{self._operators}.log"
        started = Operator(self.kubeconfig, operator_settings(self.cloud.endpoint, **(settings | changes)), log)
        return self._stack.enter_context(started)

    # --- objects

    def bind(self, name: str = "web", *, spec: dict[str, Any] | None = None, **fields: Any) -> str:
        """A cache in the cloud, and an object bound to it by its id; returns the id."""
        cache_id = self.cloud.add_cache(name, **fields)
        self.cluster.create(self.namespace, name, imageCacheID=cache_id, **(spec or {}))
        return cache_id

    def get(self, name: str = "web") -> Object | None:
        """The object, None when it is gone."""
        return self.cluster.get(self.namespace, name)

    def delete(self, name: str = "web") -> None:
        """As `kubectl delete --wait=false`."""
        self.cluster.delete(self.namespace, name)

    def set_spec(self, name: str = "web", **spec: Any) -> Object:
        """Change spec fields of an object."""
        return self.cluster.patch(self.namespace, name, {"spec": spec})

    def annotate(self, name: str, value: str) -> Object:
        """Ask for a look at once."""
        return self.cluster.patch(self.namespace, name, {"metadata": {"annotations": {RECONCILE: value}}})

    def wait_heeded(self, name: str = "web") -> None:
        """Wait until the operator has looked as the object's annotation asks."""

        def heeded(it: Object | None) -> bool:
            asked = (it or {})["metadata"]["annotations"][RECONCILE]
            return bool((it or {})["status"].get("lastHandledReconcileAt") == asked)

        self.wait(heeded, what="the annotation is heeded", name=name)

    def wait(
        self, look: Callable[[Object | None], object], *, what: str, name: str = "web", seconds: float = 15
    ) -> Object | None:
        """Wait until the object, looked at so, gives something true; returns the object then."""
        newest: list[Object | None] = [None]

        def looked() -> bool:
            newest[0] = self.get(name)
            return bool(look(newest[0]))

        wait_for(looked, what=what, seconds=seconds, stand=lambda: (newest[0] or {}).get("status", "no object"))
        return newest[0]

    def wait_reason(self, *reasons: str, name: str = "web", seconds: float = 15) -> Object:
        """Wait until Ready has one of the reasons; returns the object then."""
        what = f"{name} shows {' or '.join(reasons)}"
        found = self.wait(lambda it: reason(it) in reasons, what=what, name=name, seconds=seconds)
        assert found is not None
        return found

    def wait_stalled(self, wanted: str, *, name: str = "web", seconds: float = 15) -> Object:
        """Wait until the object is Stalled for that reason; returns it then."""
        found = self.wait(
            lambda it: condition(it, "Stalled").get("reason") == wanted,
            what=f"{name} is Stalled with {wanted}",
            name=name,
            seconds=seconds,
        )
        assert found is not None
        return found

    def wait_gone(self, name: str = "web", *, seconds: float = 20) -> None:
        """Wait until the object is gone."""
        self.wait(lambda it: it is None, what=f"{name} is gone", name=name, seconds=seconds)

    def deletes(self, cache_id: str) -> list[dict[str, Any]]:
        """The DELETE calls for a cache."""
        return self.cloud.calls("DeleteImageCache", cache_id)
