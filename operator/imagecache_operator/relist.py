"""The own list of all objects: before the start, and every few minutes against a deaf watch and ghosts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from imagecache_operator.clock import Clock
from imagecache_operator.imagecache import Key
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError, NotFoundError
from imagecache_operator.reconciler import Reconciler
from imagecache_operator.vitals import Pulse
from imagecache_operator.watcher import key_of

RETRY = 1.0
"""Seconds between two attempts at the first list."""

INTERVAL = 300.0
"""Seconds between two lists later on."""

logger = logging.getLogger(__name__)


class Relister:
    """Lists all objects of the namespaces served.

    Attributes:
        listed: whether a complete list was read.
        obstacle: why no list can be read, as a sentence; None when it can.
    """

    def __init__(
        self,
        kubernetes: KubernetesClient,
        reconciler: Reconciler,
        namespaces: Collection[str] | None,
        clock: Clock,
    ) -> None:
        self._kubernetes = kubernetes
        self._reconciler = reconciler
        self._namespaces: Collection[str | None] = [None] if namespaces is None else namespaces
        self._clock = clock
        self.pulse = Pulse("Listing the objects", INTERVAL, clock)
        self.listed = False
        self.obstacle: str | None = "The objects were not listed yet."

    async def complete(self) -> None:
        """List until a list is complete: the CRD and the permissions may come later."""
        while True:
            self.pulse.beat()
            if await self._attempt():
                return
            await asyncio.sleep(RETRY)

    async def run(self) -> None:
        """List again and again; a list that fails is told and left to the next time."""
        while True:
            self.pulse.beat()
            await asyncio.sleep(INTERVAL)
            await self._attempt()

    async def _attempt(self) -> bool:
        try:
            await self._list()
        except KubernetesError as error:
            obstacle = _sentence(error)
            if obstacle != self.obstacle:
                logger.warning("%s", obstacle)
            self.obstacle = obstacle
            return False
        self.listed, self.obstacle = True, None
        self._reconciler.objects.echo.contact()
        return True

    async def _list(self) -> None:
        """Take over all versions, then look for objects that vanished while nobody watched."""
        before = self._reconciler.objects.real_objects()
        there: set[Key] = set()
        for namespace in self._namespaces:
            async for body in self._kubernetes.list_objects(namespace):
                there.add(key_of(body))
                self._reconciler.objects.upsert(body)
        for key in before.keys() - there:
            # The list may be older than the object is; only its own 404 tells.
            try:
                self._reconciler.objects.upsert(await self._kubernetes.get_object(key))
            except NotFoundError:
                self._reconciler.objects.remove(key, before[key])


def _sentence(error: KubernetesError) -> str:
    match error.status:
        case 404:
            return (
                "The CustomResourceDefinition imagecaches.cce.huaweicloud.com is not installed: apply crds/, or the "
                "output of `imagecache-operator crd`."
            )
        case 401:
            return f"The API server does not know the operator's token ({error}): renew the kubeconfig or the account."
        case 403:
            return f"The API server does not let the operator list ImageCaches ({error}): apply its ClusterRole."
        case _:
            return f"The ImageCaches cannot be listed: {error}"
