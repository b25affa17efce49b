"""Kubernetes Events: notes for `kubectl describe`. Best effort; they never hold anything up.

They go out one at a time, and few per second: a thousand deletions at once must not make the API server slow for the
writes that matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

from imagecache_operator import __version__
from imagecache_operator.clock import Clock
from imagecache_operator.decision import Note
from imagecache_operator.imagecache import ImageCache
from imagecache_operator.kubernetes_client import KubernetesClient, KubernetesError
from imagecache_operator.model import format_time
from imagecache_operator.names import GROUP, KIND, VERSION

BURST = 25
PER_SECOND = 10.0
KEPT_MAX = 1000
"""Events that wait; beyond that the oldest are dropped."""

MESSAGE_MAX = 1024
"""Characters of an Event's message that the API server accepts."""

COMPONENT = "imagecache-operator"

logger = logging.getLogger(__name__)


class Events:
    """Posts notes in the background."""

    def __init__(self, kubernetes: KubernetesClient, clock: Clock) -> None:
        self._kubernetes = kubernetes
        self._clock = clock
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=KEPT_MAX)
        self._ready = asyncio.Event()
        self._count = 0

    def post(self, resource: ImageCache, note: Note) -> None:
        """Have the note posted; returns at once."""
        self._count += 1
        # A name that is cut must not end in a hyphen or a dot before the dot that follows.
        name = resource.key.name[:200].rstrip("-.")
        moment = format_time(self._clock.now().replace(microsecond=0))
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name}.{self._clock.now().timestamp() * 1e6:.0f}{self._count % 1000:03d}",
                "namespace": resource.key.namespace,
            },
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "namespace": resource.key.namespace,
                "name": resource.key.name,
                "uid": resource.uid,
                "resourceVersion": resource.resource_version,
            },
            "type": "Warning" if note.warning else "Normal",
            "reason": note.reason,
            "message": note.message[:MESSAGE_MAX],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": f"{COMPONENT}-{__version__}",
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        self._waiting.append((resource.key.namespace, event))
        self._ready.set()

    async def run(self) -> None:
        """Post for ever."""
        tokens, refilled = float(BURST), self._clock.monotonic()
        while True:
            await self._ready.wait()
            now = self._clock.monotonic()
            tokens, refilled = min(tokens + (now - refilled) * PER_SECOND, BURST), now
            if tokens < 1.0:
                await asyncio.sleep((1.0 - tokens) / PER_SECOND)
                continue
            tokens -= 1.0
            await self._post_oldest()

    async def flush(self, seconds: float) -> None:
        """Post what waits, for as long as that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._waiting:
                    await self._post_oldest()

    async def _post_oldest(self) -> None:
        if self._waiting:
            namespace, event = self._waiting.popleft()
            try:
                await self._kubernetes.create_event(namespace, event)
            except KubernetesError as error:
                # A terminating namespace takes no Events, for one.
                logger.debug("Event dropped: %s", error)
        if not self._waiting:
            self._ready.clear()
