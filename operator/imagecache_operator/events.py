"""Kubernetes Events: notes for `kubectl describe`. Best effort; they never hold anything up.

They go out one at a time, and few per second: a thousand deletions at once must not make the API server slow for the
writes that matter. And few of one object for one reason: one whose state flutters must not fill etcd for days.
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

SAME_BURST, SAME_INTERVAL = 25, 300.0
"""Of one object for one reason so many, then one each so many seconds; the rest is dropped.

These are client-go's figures (tools/record, EventSourceObjectSpamFilter). That counts all reasons together, so what
flutters would take the place of what happens once.
"""

SAME_KEPT_MAX = 4096
"""Objects and reasons that are remembered for it, as in client-go."""

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
        self._said: dict[tuple[str, str], float] = {}

    def post(self, resource: ImageCache, note: Note) -> None:
        """Have the note posted; returns at once."""
        if self._said_enough(resource.uid, note.reason):
            return
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

    def _said_enough(self, uid: str, reason: str) -> bool:
        """Whether the object has used up its Events of that reason; if not, this is one of them."""
        now = self._clock.monotonic()
        # When the whole burst is free again.
        free = max(self._said.pop((uid, reason), now), now)
        enough = free > now + (SAME_BURST - 1) * SAME_INTERVAL
        self._said[uid, reason] = free if enough else free + SAME_INTERVAL
        while len(self._said) > SAME_KEPT_MAX or self._said[next(iter(self._said))] <= now:
            del self._said[next(iter(self._said))]
        return enough

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
