"""Is the CustomResourceDefinition being deleted? Then its objects are, too, and no cache may follow them."""

from __future__ import annotations

import asyncio
import logging

from imagecache_operator.clock import Clock
from imagecache_operator.decision import Crd
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError, NotFoundError

logger = logging.getLogger(__name__)


class CrdReader:
    """Reads the CRD once for many objects."""

    def __init__(self, kubernetes: KubernetesClient, clock: Clock) -> None:
        self._kubernetes = kubernetes
        self._clock = clock
        self._lock = asyncio.Lock()
        self._begun = float("-inf")
        self._state = Crd.UNREAD
        self._complaint = ""

    async def read(self, since: float) -> Crd:
        """What a GET that began after `since` (monotonic seconds) says; one answer serves all who wait for it."""
        asked = self._clock.monotonic()
        async with self._lock:
            # That it is unreadable is said to those who waited for that look, and read again for all others.
            unreadable = self._state is Crd.UNREADABLE and self._begun < asked
            if self._begun <= since or unreadable:
                self._begun = self._clock.monotonic()
                self._state = await self._get()
            return self._state

    async def _get(self) -> Crd:
        try:
            crd = await self._kubernetes.get_crd()
        except NotFoundError:
            return Crd.DELETING  # it has gone already
        except KubernetesError as error:
            if str(error) != self._complaint:
                logger.warning("The CustomResourceDefinition cannot be read; deletions wait: %s", error)
            self._complaint = str(error)
            return Crd.UNREADABLE
        self._complaint = ""
        return Crd.DELETING if (crd.get("metadata") or {}).get("deletionTimestamp") else Crd.ALIVE
